"""Measure how long the lessons take, section by section: nbs/minutes.csv, for the teacher's guide.

    python scripts/measure_lessons.py        # count words, code, guesses and exercises again
    python scripts/measure_lessons.py --run  # and execute every lesson: some five minutes

Measured are the words of the prose, and the seconds of every cell: `wall` by the clock, `cpu` of
the processors, for the kernel and what it starts. Assumed is what stands in capitals below.
Solutions are not counted. The other columns are minutes.
"""

import argparse
import re
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

import nbformat
import pandas as pd
import psutil
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "nbs"
TABLE = NOTEBOOKS / "minutes.csv"
WORDS_A_MINUTE = 200
CODE_LINES_A_MINUTE = 15
MINUTES_A_GUESS = 1  # to think, to write it down, to compare
MINUTES_AN_EXERCISE = 5  # to read what it asks, too


def lessons() -> list[Path]:
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def read(path: Path):
    "A lesson without its solutions."
    notebook = nbformat.read(path, as_version=4)
    cells = notebook.cells
    notebook.cells = [cell for cell in cells if "solution" not in cell.metadata.get("tags", [])]
    return notebook


def sections(notebook) -> list[tuple[str, int, str]]:
    "(section, number of the cell, its text); a section may begin in the midst of a prose cell."
    section, parts = "", []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            parts.append((section, index, cell.source))
            continue
        for part in re.split(r"^(?=## )", cell.source, flags=re.MULTILINE):
            if part.startswith("## "):
                section = part[3:].split("\n")[0]
            parts.append((section, index, part))
    return parts


def said(path: Path) -> str:
    "How long a lesson says that it takes."
    return re.search(r"\*\*Time\.\*\* (.*)", read(path).cells[1].source)[1]


def counts(path: Path) -> pd.DataFrame:
    "What each section of a lesson holds."
    notebook, rows = read(path), []
    for section, index, text in sections(notebook):
        code = notebook.cells[index].cell_type == "code"
        lines = [line for line in text.split("\n") if line.strip() and not line.startswith("#|")]
        stub = code and bool(re.search(r"^check\(", text, re.MULTILINE))
        asks = stub or text.startswith("**Exercise")
        row = {"lesson": path.name[:2], "section": section}
        row["words"] = 0 if code or asks else len(text.split())
        row["lines"] = len(lines) if code and not asks else 0
        row["guesses"] = int(code and bool(re.search(r"^sealed\(", text, re.MULTILINE)))
        row["exercises"] = int(stub)
        rows.append(row)
    return pd.DataFrame(rows).groupby(["lesson", "section"], sort=False).sum()


def seconds(path: Path) -> pd.DataFrame:
    "Execute a lesson in its folder, and write nothing back to it: the seconds of each section."
    notebook = read(path)
    client = NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": path.parent}})
    passed: dict = {"wall": Counter(), "cpu": Counter()}
    section_of = {index: section for section, index, _ in sections(notebook)}

    def now() -> dict[str, float]:
        "What clock and processors say."
        kernel = psutil.Process(client.km.provisioner.pid)
        times = [process.cpu_times() for process in [kernel, *kernel.children(recursive=True)]]
        cpu = sum(t.user + t.system + t.children_user + t.children_system for t in times)
        return {"wall": time.perf_counter(), "cpu": cpu}

    def count(sign: int, index: int):
        for name, value in now().items():
            passed[name][section_of[index]] += sign * value

    client.on_cell_execute = lambda cell, cell_index: count(-1, cell_index)
    client.on_cell_executed = lambda cell, cell_index, execute_reply: count(1, cell_index)
    client.execute()
    table = pd.DataFrame(passed).round(1)
    table.index = pd.MultiIndex.from_product([[path.name[:2]], table.index])
    return table.rename_axis(["lesson", "section"])


def measured(run: bool) -> pd.DataFrame:
    "The table; without a run its seconds are those of the table that is there."
    held = pd.concat([counts(path) for path in lessons()])
    if run:
        with tempfile.TemporaryDirectory() as copy:  # what the lessons write stays in it
            for folder in ("nbs", "tests/data"):
                shutil.copytree(ROOT / folder, Path(copy) / folder)
            ran = pd.concat([seconds(Path(copy) / "nbs" / path.name) for path in lessons()])
    else:
        ran = pd.read_csv(TABLE, dtype={"lesson": str}, keep_default_na=False)
        ran = ran.set_index(["lesson", "section"])[["wall", "cpu"]]
    table = held.join(ran)
    new = table.index[table["wall"].isna() & (table["lines"] > 0)].tolist()
    if new:
        raise SystemExit(f"these sections have not been measured yet, so add --run: {new}")
    table = table.fillna(0)  # prose alone takes no time to run
    table["text"] = table["words"] / WORDS_A_MINUTE
    table["code"] = table["lines"] / CODE_LINES_A_MINUTE
    table["running"] = table["cpu"] / 60  # the clock says more where a machine has other work
    table["guessing"] = table["guesses"] * MINUTES_A_GUESS
    table["solving"] = table["exercises"] * MINUTES_AN_EXERCISE
    return table.round(2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", action="store_true", help="execute the lessons, too")
    table = measured(parser.parse_args().run)
    table.to_csv(TABLE)
    columns = ["text", "code", "running", "guessing", "solving"]
    shown = table.groupby("lesson")[columns].sum()
    shown["minutes"] = (shown[columns].sum(axis=1) / 5).round() * 5
    shown["without exercises"] = (shown[columns[:-1]].sum(axis=1) / 5).round() * 5
    print(shown.round(1).assign(said=[said(path) for path in lessons()]).to_string())
