"""Write the editions of the course: `make editions`.

    python scripts/make_editions.py editions

`student`: the notebooks without the solutions, and without what the sealed guesses hide.
`teacher`: the lessons with everything, each with its section of the teacher's guide on top.
`nbgrader`: a course folder, from which nbgrader releases, collects and grades the lessons.
"""

import ast
import re
import shutil
import sys
import tempfile
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "nbs"
GUIDE = NOTEBOOKS / "teaching.ipynb"
NOT_FOR_STUDENTS = ("exercises*.ipynb", GUIDE.name)  # solutions, and answers to exam questions
OF_THE_SITE = ("*.yml", "*.scss", "*.qmd", "*.png")
SCRATCH = (".ipynb_checkpoints", "*drum_qtuner_*.json*", "listening")
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
FILE = re.compile(r"(?<=\")(\.\./|lib/)?[\w/]+\.(npy|csv|parquet)(?=\")")  # that a cell reads
POINTS = 1  # of each exercise
CONFIG = '''"""The course drum_qtuner for nbgrader; the package itself must be installed, too.

    nbgrader generate_assignment 05_dqn_tuning      # writes release/, which students are given
    nbgrader autograde 05_dqn_tuning                # grades what lies in submitted/STUDENT/
    nbgrader generate_feedback 05_dqn_tuning
    nbgrader export                                 # all points as a table: grades.csv
"""

c = get_config()  # noqa: F821 (nbgrader knows it)
c.CourseDirectory.course_id = "drum_qtuner"
c.ClearSolutions.code_stub = {"python": ""}  # what the lesson has in its place stands above it
c.Execute.timeout = 600  # seconds for a cell: some train a network
'''


def lessons() -> list[Path]:
    "The notebooks of the course, in their order."
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def read(path: Path):
    return nbformat.read(path, as_version=4)


def is_solution(cell) -> bool:
    return "solution" in cell.metadata.get("tags", [])


def bring_files(notebook, folder: Path):
    "Copy the files that the cells of a lesson read; one from outside gets a place beside it."

    def copied(found):
        place = folder / (Path(found[0]).name if found[1] == "../" else found[0])
        place.parent.mkdir(exist_ok=True)
        shutil.copy(NOTEBOOKS / found[0], place)
        return place.relative_to(folder).as_posix()

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = FILE.sub(copied, cell.source)


def relink(notebook, place: Path, address: str = ""):
    "Links to what is not below `place` lead to the address, if one is given, or nowhere."

    def target(link):
        if (place / link[2]).exists():
            return link[0]
        if not address or any(fnmatch(Path(link[2]).name, name) for name in NOT_FOR_STUDENTS):
            return link[1]
        return f"[{link[1]}]({address}/{link[2]}{link[3] or ''})"

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(target, cell.source)


# For students


def student(folder: Path):
    "All notebooks; solutions, and what sealed guesses hide, are left out."
    left_out = shutil.ignore_patterns(*NOT_FOR_STUDENTS, *OF_THE_SITE, *SCRATCH)
    shutil.copytree(NOTEBOOKS, folder, ignore=left_out)
    for path in sorted(folder.rglob("*.ipynb")):
        notebook = read(path)
        notebook.cells = [cell for cell in notebook.cells if not is_solution(cell)]
        for cell in notebook.cells:
            if cell.cell_type == "code" and re.search(r"^sealed\(", cell.source, re.MULTILINE):
                cell.outputs = []
        relink(notebook, path.parent)
        if path.parent == folder:
            bring_files(notebook, folder)
        nbformat.write(notebook, path)


# For teachers


def sections(guide) -> dict[str, str]:
    "What the teacher's guide says of each lesson, by the lesson's number."
    prose = "\n\n".join(cell.source for cell in guide.cells if cell.cell_type == "markdown")
    parts = re.split(r"^(?=## )", prose, flags=re.MULTILINE)
    return {part[3:5]: part.strip() for part in parts if re.match(r"## \d\d ", part)}


def timing(minutes: pd.DataFrame) -> str:
    "The rows of a lesson as a sentence or two."
    of = minutes.sum(numeric_only=True).round().astype(int)
    reading = of["text"] + of["code"]
    return (
        f"**Minutes.** {reading} to read, {of['guessing']} for {of['guesses']} guesses,"
        f" {of['solving']} for {of['exercises']} exercises:"
        f" {reading + of['guessing'] + of['solving']} in all, for one who works alone. The cells"
        f" run in {of['cpu']} seconds. [The guide]({GUIDE.name}#how-long-it-takes) says how this"
        " was measured, and what is assumed."
    )


def teacher(folder: Path):
    "All notebooks as they are, and on top of each lesson what the guide says of it."
    shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns(*OF_THE_SITE, *SCRATCH))
    told = sections(read(GUIDE))
    minutes = pd.read_csv(NOTEBOOKS / "minutes.csv", dtype={"lesson": str})
    for path in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        notebook, number = read(path), path.name[:2]
        heading, text = told[number].split("\n", 1)
        time = timing(minutes[minutes["lesson"] == number])
        about = f"{heading}: for the teacher\n\n{time}\n{text}"
        notebook.cells.insert(0, new_markdown_cell(about, id="for-the-teacher"))
        bring_files(notebook, folder)
        nbformat.write(notebook, path)


# For nbgrader


def asked(source: str) -> tuple[str, str, str]:
    "Number of an exercise and whose answer is checked, and the code without that line."
    tree = ast.parse(source)
    (call,) = (
        statement
        for statement in tree.body
        if isinstance(statement, ast.Expr) and ast.unparse(statement).startswith("check(")
    )
    number, mine, *_ = call.value.args
    lines = source.split("\n")
    code = lines[: call.lineno - 1] + lines[call.end_lineno :]
    kept = [line for line in code if not line.startswith("#|")]
    return number.value, ast.unparse(mine), "\n".join(kept).strip()


def is_asked(cell) -> bool:
    return cell.cell_type == "code" and bool(re.search(r"^check\(", cell.source, re.MULTILINE))


def graded(number: str, mine: str, stub: str, solution: str) -> list:
    "A cell to answer in, with our solution where nbgrader takes it out, and one that grades it."
    name = f"exercise-{number.replace('.', '-')}"
    region = f"### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
    answer = new_code_cell(f'{stub}\n{region}\n\ncheck("{number}", {mine})', id=name)
    test = new_code_cell(
        f"from drum_qtuner.check import answer\n\n"
        f'judged = answer("{number}", {mine})\n'
        f"assert judged.right, judged.text",
        id=f"{name}-points",
    )
    settings = {"schema_version": 3, "task": False}
    answer.metadata["nbgrader"] = settings | {
        "grade": False,
        "grade_id": answer.id,
        "locked": False,
        "solution": True,
    }
    test.metadata["nbgrader"] = settings | {
        "grade": True,
        "grade_id": test.id,
        "locked": True,
        "solution": False,
        "points": POINTS,
    }
    test.metadata["tags"] = ["raises-exception"]  # what is not solved does not stop "Run all"
    return [answer, test]


def assignment(notebook):
    "A lesson with cells that nbgrader knows; it has no outputs, for nbgrader takes them out."
    answers = [
        asked(cell.source) for cell in notebook.cells if is_asked(cell) and is_solution(cell)
    ]
    solutions = {number: code for number, _, code in answers}
    cells = []
    for cell in notebook.cells:
        if is_solution(cell):
            continue
        if is_asked(cell):
            number, mine, stub = asked(cell.source)
            cells += graded(number, mine, stub, solutions[number])
            continue
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
    notebook.cells = cells


def repository() -> str:
    "Where the notebooks are seen by those who have only one of them."
    config = ConfigParser()
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return "{git_url}/blob/{branch}/{nbs_path}".format(**config["DEFAULT"])


def nbgrader(folder: Path):
    "A folder of its own for each lesson, with the tables that it reads."
    for path in lessons():
        place = folder / "source" / path.stem
        place.mkdir(parents=True)
        notebook = read(path)
        assignment(notebook)
        bring_files(notebook, place)
        relink(notebook, place, repository())
        nbformat.write(notebook, place / path.name)
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf-8")


EDITIONS = (student, teacher, nbgrader)


def make_editions(folder: Path):
    "Write all editions to a folder that does not exist yet; it appears when all is done."
    if folder.exists():
        raise SystemExit(f"{folder} exists already, and may hold somebody's work: name another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".editions") as scratch:
        for edition in EDITIONS:
            edition(Path(scratch) / folder.name / edition.__name__)
        (Path(scratch) / folder.name).rename(folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Name the folder to write to: make_editions.py FOLDER")
    make_editions(Path(sys.argv[1]))
    print(f"The editions for students, teachers and nbgrader are in {sys.argv[1]}")
