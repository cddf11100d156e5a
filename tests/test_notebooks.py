"""Notebooks run from top to bottom, package and README follow from them, all fit to publish."""

import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
from nbdev.test import test_nb as run_notebook

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(ROOT.glob("nbs/**/*.ipynb"))
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def command(name: str, *args, cwd: Path) -> str:
    "What the development tool `name` prints when run in `cwd`; a failure shows all of it."
    environment = dict(os.environ, PYTHONPATH=str(cwd), TQDM_DISABLE="1")
    done = subprocess.run(
        [Path(sys.executable).parent / name, *args],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{name} failed\n{done.stdout}\n{done.stderr}"
    return done.stdout


SEED = re.compile(r"(\b\w*seeds?=|default_rng\(|manual_seed\()(\d+)")


def raise_seeds(notebook: Path):
    "Add one to every seed in the code of a notebook: a lesson must not hang on one of them."
    content = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        if cell["cell_type"] == "code" and not re.search(r"^#\|\s*export", "".join(cell["source"])):
            raised = [SEED.sub(lambda m: f"{m[1]}{int(m[2]) + 1}", line) for line in cell["source"]]
            cell["source"] = raised
    notebook.write_text(json.dumps(content), encoding="utf-8")


def run_cells(notebook: Path, log: Path):
    "Run a notebook in this process; what it says goes to `log`, the exit status tells the end."
    with open(log, "w", encoding="utf-8") as out, redirect_stdout(out), redirect_stderr(out):
        passed, _ = run_notebook(notebook, skip_flags=["notest"], basepath=notebook.parent)
    sys.exit(not passed)


def test_a_failing_cell_fails_the_run(fresh_process, tmp_path):
    "The run below is no test that cannot fail."
    cell = dict(cell_type="code", source="1 / 0", metadata={}, outputs=[], execution_count=None)
    notebook = tmp_path / "wrong.ipynb"
    content = dict(cells=[cell], metadata={}, nbformat=4, nbformat_minor=4)
    notebook.write_text(json.dumps(content), encoding="utf-8")
    assert fresh_process(run_cells, notebook, tmp_path / "log") == 1
    assert "ZeroDivisionError" in (tmp_path / "log").read_text(encoding="utf-8")


@each_notebook
def test_runs_from_top_to_bottom(notebook, workspace, fresh_process, tmp_path):
    "In its own folder of a copy; the lessons with other seeds than those they are committed with."
    log = tmp_path / "log"
    copy = workspace / notebook.relative_to(ROOT)
    if notebook.stem[:2].isdigit():
        raise_seeds(copy)
    assert fresh_process(run_cells, copy, log) == 0, log.read_text(encoding="utf-8")


def contents(root: Path) -> dict[str, bytes]:
    "The notebooks, the package and the settings below `root`, by path."
    files = [
        *root.glob("nbs/**/*.ipynb"),
        *root.glob("drum_qtuner/*.py"),
        root / "settings.ini",
        root / "pyproject.toml",
    ]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_export_and_clean_change_nothing(workspace):
    "The modules are the notebooks' exports, none missing or left over; the notebooks are clean."
    before = contents(workspace)
    for module in workspace.glob("drum_qtuner/*.py"):
        if not module.name.startswith("__"):  # written by hand
            module.unlink()
    command("nbdev_export", cwd=workspace)
    command("nbdev_clean", cwd=workspace)
    after = contents(workspace)
    changed = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    assert not changed, f"run nbdev_export and nbdev_clean: {changed}"


def make_site(workspace: Path):
    "All that `make docs` does before quarto."
    os.chdir(workspace)
    refresh_quarto_yml()
    proc_nbs(n_workers=0)


def test_site_can_be_made(workspace, fresh_process):
    "Each notebook becomes a page with its reference."
    assert fresh_process(make_site, workspace) == 0

    def pages(folder: Path) -> list[str]:
        "Paths of the notebooks in a folder: the index, the lessons, the library."
        found = [path.relative_to(folder) for path in folder.glob("**/*.ipynb")]
        order = sorted(found, key=lambda path: (len(path.parts), path.stem != "index", path))
        return [path.as_posix() for path in order]

    assert pages(workspace / "_proc") == pages(workspace / "nbs")
    assert "../_quarto.yml" in (workspace / "_proc/_quarto.yml").read_text(encoding="utf-8")


def test_readme_is_the_index_notebook(repo):
    command_line = [sys.executable, repo / ".ci/readme.py", repo / "nbs/index.ipynb"]
    readme = subprocess.run(command_line, capture_output=True, check=True).stdout.decode("utf-8")
    assert (repo / "README.md").read_text(encoding="utf-8") == readme, "run make readme"


def test_readme_links_lead_somewhere(repo):
    "The README is shown on the package index too, where relative links lead nowhere."
    readme = (repo / "README.md").read_text(encoding="utf-8")
    assert not re.findall(r"\]\((?!https?:|mailto:|#)", readme)
    ours = r"\]\(https://github.com/drum-qtuner/drum_qtuner/(?:blob|tree)/main/([^)#]+)"
    targets = re.findall(ours, readme)
    missing = [target for target in targets if not (repo / target).exists()]
    assert targets and not missing, f"links to nothing: {missing}"


@each_notebook
def test_links_lead_somewhere(notebook):
    "Links to other notebooks and files of the repository."
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    prose = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", prose)
    missing = [target for target in targets if not (notebook.parent / target).exists()]
    assert not missing, f"links to nothing: {missing}"


def text(outputs: list) -> str:
    "All text that `outputs` show, without embedded pictures and sounds."
    shown = [output.get("text", "") for output in outputs]
    shown += [
        value
        for output in outputs
        for kind, value in output.get("data", {}).items()
        if kind.startswith("text/")
    ]
    joined = "\n".join("".join(lines) for lines in shown)
    return re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", joined)


MACHINE_PATH = re.compile(
    r"(?<![\w.])/(home|Users|root|tmp|mnt|workspace|private|var/folders)/\w|\b[A-Z]:\\+Users"
)


@each_notebook
def test_is_fit_to_publish(notebook):
    "Executed, without errors, warnings and paths of one machine, and small enough for a page."
    assert notebook.stat().st_size < 1_000_000
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert content["metadata"] == {
        "kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}
    }
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert outputs or not cells, "not executed"
    for output in outputs:
        assert output["output_type"] != "error", f"an error: {output}"
        assert output.get("name") != "stderr", f"written to stderr: {output}"
    sources = "\n".join("".join(cell["source"]) for cell in content["cells"])
    found = MACHINE_PATH.search(sources + "\n" + text(outputs))
    assert not found, f"a path of one machine: {found}"


@each_notebook
def test_title_cell_stands_alone(notebook):
    "The site keeps only `# title` and `> description` of the first cell: prose comes after it."
    first = json.loads(notebook.read_text(encoding="utf-8"))["cells"][0]
    lines = "".join(first["source"]).split("\n")
    assert first["cell_type"] == "markdown" and lines[0].startswith("# ")
    assert all(not line or line.startswith("> ") for line in lines[1:]), (
        "split the first cell after the title"
    )
    assert sum(line.startswith("> ") for line in lines) <= 1, (
        "the site keeps one line of description"
    )
