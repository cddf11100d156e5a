"""The editions for students, teachers and nbgrader, which grades them; and the teacher's guide."""

import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from helpers import cells

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(ROOT.glob("nbs/[0-9][0-9]_*.ipynb"))
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
pytestmark = pytest.mark.xdist_group("editions")  # they are made once


def script(name: str):
    "A program of `scripts/` as a module."
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def make_editions():
    return script("make_editions")


@pytest.fixture(scope="module")
def editions(make_editions, tmp_path_factory):
    "The folder of all editions."
    folder = tmp_path_factory.mktemp("course") / "editions"
    make_editions.make_editions(folder)
    return folder


def content(notebook: Path) -> list[dict]:
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


def text(cell: dict) -> str:
    return "".join(cell["source"])


@each_lesson
def test_students_see_neither_solutions_nor_what_is_sealed(lesson, editions):
    "All other outputs are there: players, tables, and what `check` says of a stub."
    whole = [cell for cell in content(lesson) if "solution" not in tags(cell)]
    given = content(editions / "student" / lesson.name)
    assert [cell["id"] for cell in given] == [cell["id"] for cell in whole]
    sealed = [cell for cell in given if re.search(r"^sealed\(", text(cell), re.MULTILINE)]
    assert sealed and not any(cell["outputs"] for cell in sealed)
    for mine, theirs in zip(whole, given):
        if theirs not in sealed:
            assert mine.get("outputs") == theirs.get("outputs")


def test_links_lead_somewhere(editions):
    "Solutions and the guide are not handed out, and nothing leads to them."
    student = editions / "student"
    assert not list(student.rglob("exercises*")) and not list(student.rglob("teaching*"))
    assert not list(editions.rglob(".ipynb_*"))
    for notebook in [*student.rglob("*.ipynb"), *editions.glob("nbgrader/source/*/*.ipynb")]:
        prose = "\n".join(cell["source"] for cell in cells(notebook, "markdown"))
        targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", prose)
        missing = [target for target in targets if not (notebook.parent / target).exists()]
        assert not missing, f"{notebook.name} links to nothing: {missing}"


@each_lesson
def test_files_that_a_lesson_reads_are_there(lesson, editions):
    source = f"nbgrader/source/{lesson.stem}"
    for notebook in [editions / f"{part}/{lesson.name}" for part in ("student", "teacher", source)]:
        code = "\n".join(cell["source"] for cell in cells(notebook, "code"))
        for name in re.findall(r'"([\w./]+\.(?:npy|csv|parquet))"', code):
            assert ".." not in name and (notebook.parent / name).exists(), name


@each_lesson
def test_teachers_have_all_and_the_guide_on_top(lesson, editions, make_editions):
    guide, *given = content(editions / "teacher" / lesson.name)
    assert [cell["id"] for cell in given] == [cell["id"] for cell in content(lesson)]
    assert [cell.get("outputs") for cell in given] == [c.get("outputs") for c in content(lesson)]
    told = make_editions.sections(make_editions.read(make_editions.GUIDE))[lesson.name[:2]]
    title, said = told.split("\n", 1)
    assert text(guide).startswith(f"{title}: for the teacher\n") and text(guide).endswith(said)
    exercises = len({text(cell) for cell in given if "solution" in tags(cell)})
    assert f"for {exercises} exercises" in text(guide)


def test_nothing_is_overwritten(make_editions, tmp_path):
    "A folder that exists may hold somebody's work."
    mine = tmp_path / "mine.ipynb"
    mine.write_text("my work")
    with pytest.raises(SystemExit, match="exists already"):
        make_editions.make_editions(tmp_path)
    assert mine.read_text() == "my work" and list(tmp_path.iterdir()) == [mine]


# nbgrader


@pytest.fixture(scope="module")
def course(editions):
    "The folder of the course as nbgrader sees it, and nbgrader: its own program interface."
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config.loader import PyFileConfigLoader

    root = editions / "nbgrader"
    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.CourseDirectory.root = str(root)
    with pytest.MonkeyPatch.context() as patch:  # it looks for its program alembic in the path
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield root, NbGraderAPI(CourseDirectory(config=config), config=config)


def graded_by(notebook: Path) -> dict[str, str]:
    "The sources of the cells that nbgrader knows, by their names."
    known = [cell for cell in content(notebook) if "nbgrader" in cell["metadata"]]
    return {cell["metadata"]["nbgrader"]["grade_id"]: text(cell) for cell in known}


@each_lesson
def test_nbgrader_releases_the_stubs_of_the_lesson(lesson, course):
    root, nbgrader = course
    done = nbgrader.generate_assignment(lesson.stem)
    assert done["success"], done["log"]
    released = graded_by(root / "release" / lesson.stem / lesson.name)
    stubs = [text(cell) for cell in content(lesson) if re.search(r"^check\(", text(cell), re.M)]
    stubs = [stub for stub in stubs if stub in "\n".join(map(text, without_solutions(lesson)))]
    answers = [source for name, source in released.items() if not name.endswith("points")]
    assert answers == stubs and len(released) == 2 * len(stubs)


def without_solutions(lesson: Path) -> list[dict]:
    return [cell for cell in content(lesson) if "solution" not in tags(cell)]


def hand_in(root: Path, name: str, student: str, change):
    "Copy what was released, change the cells that nbgrader knows, and submit it."
    folder = root / "submitted" / student / name
    shutil.copytree(root / "release" / name, folder)
    path = folder / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.source = change(cell.metadata["nbgrader"]["grade_id"], cell.source)
    nbformat.write(notebook, path)


def test_nbgrader_grades_what_is_handed_in(course):
    "All, nothing (by somebody who has changed the tests), and one exercise, the rest wrong."
    from nbgrader.api import Gradebook
    from nbgrader.validator import Validator

    root, nbgrader = course
    name = LESSONS[1].stem
    assert nbgrader.generate_assignment(name, force=True)["success"]
    solved = graded_by(root / "source" / name / f"{name}.ipynb")
    first, *others = [key for key in solved if not key.endswith("points")]

    def wrong(key, source):
        mine = re.search(r"^check\(\"[\d.]+\", (\w+)", source, re.MULTILINE)
        return f"{source}\n{mine[1]} = lambda *case: 'wrong'" if key in others else solved[key]

    hand_in(root, name, "ada", lambda key, source: solved[key])
    hand_in(root, name, "ben", lambda key, source: "1" if key.endswith("points") else source)
    hand_in(root, name, "cleo", wrong)
    for student in ("ada", "ben", "cleo"):
        done = nbgrader.autograde(name, student)
        assert done["success"], done["log"]
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        submissions = book.assignment_submissions(name)
        points = {submission.student.id: submission.score for submission in submissions}
        assert {submission.max_score for submission in submissions} == {1 + len(others)}
    assert points == {"ada": 1 + len(others), "ben": 0, "cleo": 1}

    validator = Validator()
    assert validator.validate(str(root / "source" / name / f"{name}.ipynb")) == {}
    not_done = validator.validate(str(root / "release" / name / f"{name}.ipynb"))
    assert len(not_done["failed"]) == 1 + len(others)


# The teacher's guide


def test_the_guide_tells_every_lesson(make_editions):
    "Under the name that it has in the sidebar, and of each the same things."
    sidebar = yaml.safe_load((ROOT / "nbs/sidebar.yml").read_text(encoding="utf-8"))
    pages = sidebar["website"]["sidebar"]["contents"][1]["contents"]
    told = make_editions.sections(make_editions.read(make_editions.GUIDE))
    titles = [section.split("\n")[0][3:] for section in told.values()]
    assert titles == [page["text"] for page in pages if page["text"][:2].isdigit()]
    parts = ("**At the board.**", "**What goes wrong.**", "**To ask.**", "**For an exam.**")
    for section in told.values():
        assert all(part in section for part in parts)
        assert section.count("<summary>Answer</summary>") == 2


def test_minutes_are_those_of_the_lessons():
    "`make minutes` makes the table again. Words may change a little without it."
    measure = script("measure_lessons")
    kept = pd.read_csv(measure.TABLE, dtype={"lesson": str}, keep_default_na=False)
    now = measure.measured(run=False).reset_index()
    assert kept["section"].tolist() == now["section"].tolist()
    kept, now = (table.groupby("lesson").sum(numeric_only=True) for table in (kept, now))
    assert kept["exercises"].equals(now["exercises"])
    parts = ["text", "code", "guessing"]
    assert (kept[parts].sum(axis=1) - now[parts].sum(axis=1)).abs().max() < 3


def test_home_page_and_guide_have_the_same_minutes(monkeypatch):
    monkeypatch.chdir(ROOT / "nbs")
    told: dict = {}
    for cell in cells(ROOT / "nbs/teaching.ipynb", "code"):
        exec(cell["source"], told)
    named = told["minutes"]["lesson"] + " " + told["minutes"]["section"]
    for used, *_ in told["paths"].values():
        assert set(used) <= set(named) | set(told["minutes"]["lesson"])
    home = "\n".join(cell["source"] for cell in cells(ROOT / "nbs/index.ipynb", "markdown"))
    rows = re.findall(r"^\| \[([^\]]+)\]\(teaching\.ipynb#[\w-]+\) \| (\d+) \|", home, re.MULTILINE)
    of_path = told["table"]["minutes"].astype(int).to_dict()
    assert {name.lower(): int(minutes) for name, minutes in rows} == of_path
