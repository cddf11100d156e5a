"""Lessons keep their form: short cells, code on the page, guesses sealed, exercises answered."""

import os
import re
from collections import Counter
from pathlib import Path
from statistics import median

import pytest
from execnb.nbio import read_nb
from helpers import cells
from nbdev.processors import FilterDefaults

from drum_qtuner.exercises import EXERCISES

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(ROOT.glob("nbs/[0-9][0-9]_*.ipynb"))
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def code_lines(source: str) -> list[str]:
    "The lines of a cell that say something: no directive, no empty line."
    return [line for line in source.splitlines() if line.strip() and not line.startswith("#|")]


def tags(cell: dict) -> list[str]:
    return cell["metadata"].get("tags", [])


@each_lesson
def test_begins_and_ends_as_a_lesson(lesson):
    "First what for, how long, what is needed, what one will be able to do; last where to read on."
    prose = [cell["source"] for cell in cells(lesson, "markdown")]
    for part in ("**Aim.**", "**Time.**", "**You need.**", "**You will be able to**"):
        assert part in prose[1], f"the second cell has no {part}"
    headings = re.findall(r"^## (.+)$", "\n".join(prose), re.MULTILINE)
    assert headings[-2:] == ["What we have", "To read"]
    assert "](https://" in prose[-1] and "glossary.ipynb" in "\n".join(prose)


@each_lesson
def test_is_short_enough_for_a_class(lesson):
    prose = [cell["source"] for cell in cells(lesson, "markdown")]
    asked = [source for source in prose if source.startswith("**Exercise")]
    words = sum(len(source.split()) for source in prose if source not in asked)
    assert words <= 1650, f"{words} words, without the exercises"
    long = [source for source in asked if len(source.split()) > 90]
    assert not long, f"exercises of over 90 words: {long}"
    lengths = [len(code_lines(cell["source"])) for cell in cells(lesson, "code")]
    longest = max(lengths)
    assert longest <= 20, f"a cell of {longest} lines"
    assert median(lengths) <= 6, f"half of the cells have {median(lengths)} lines or more"
    wide = [line for c in cells(lesson, "code") for line in c["source"].split("\n") if line[100:]]
    assert not wide, f"over 100 columns: {wide}"


def make_page(lesson: Path, page: Path):
    "Write what quarto is given of the code; nbdev runs cells for it, so it has its own process."
    os.chdir(ROOT)
    notebook = read_nb(lesson)
    FilterDefaults()(notebook)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    page.write_text("\n".join(sources), encoding="utf-8")


@each_lesson
def test_all_code_is_on_the_page(lesson, fresh_process, tmp_path):
    "At least 95% of the lines of code are in what quarto is given."
    assert fresh_process(make_page, lesson, tmp_path / "page") == 0
    shown = Counter(code_lines((tmp_path / "page").read_text(encoding="utf-8")))
    sources = [cell["source"] for cell in cells(lesson, "code")]
    written = Counter(line for source in sources for line in code_lines(source))
    hidden = list((written - shown).elements())
    assert len(hidden) <= 0.05 * written.total(), f"of {written.total()} lines: {hidden}"


@each_lesson
def test_teaches_and_does_not_stop(lesson):
    "Lessons compare with `expect`: an assertion stops whoever changes a number."
    source = "\n".join(cell["source"] for cell in cells(lesson, "code"))
    stops = re.findall(r"^ *(assert .*|.*\btest_(?:eq|close|fail)\(.*)$", source, re.MULTILINE)
    assert not stops, f"these belong to a test or a library notebook: {stops}"


@each_lesson
def test_asks_before_it_tells(lesson):
    "At least one result is sealed until the reader has made a guess."
    asked = [
        cell for cell in cells(lesson, "code") if re.search(r"^sealed\(", cell["source"], re.M)
    ]
    assert asked


@each_lesson
def test_each_exercise_has_a_stub_and_a_solution(lesson):
    "The stub answers not done yet, the folded solution right."
    number = lesson.stem[:2]
    asked = [cell for cell in cells(lesson, "code") if re.search(r"^check\(", cell["source"], re.M)]
    stubs = [cell for cell in asked if "solution" not in tags(cell)]
    solutions = [cell for cell in asked if "solution" in tags(cell)]

    def said(cell):
        return "".join("".join(output.get("text", "")) for output in cell["outputs"])

    of_lesson = sorted(name for name in EXERCISES if name.startswith(number))
    assert [said(cell)[:4] for cell in stubs] == of_lesson
    assert [said(cell)[:4] for cell in solutions] == of_lesson
    assert all("not done yet" in said(cell) for cell in stubs)
    assert all(": right." in said(cell) for cell in solutions)
    assert all("#| code-fold: true" in cell["source"] for cell in solutions)
    assert all("record=False" in cell["source"] for cell in solutions)


@each_lesson
def test_each_exercise_has_a_cell_of_prose_that_names_it(lesson):
    "Whoever reads `check.hint` finds the exercise by its number."
    prose = [cell["source"] for cell in cells(lesson, "markdown")]
    named = re.findall(r"^\*\*Exercise (\d\d\.\d+)\.\*\*", "\n".join(prose), re.M)
    begun = [source for source in prose if source.startswith("**Exercise")]
    assert named == sorted(n for n in EXERCISES if n[:2] == lesson.stem[:2])
    assert len(begun) == len(named)


def test_exercises_are_asked_in_the_lessons():
    "Every lesson has exercises, and no exercise belongs to a lesson that does not exist."
    assert {name[:2] for name in EXERCISES} == {path.stem[:2] for path in LESSONS}
