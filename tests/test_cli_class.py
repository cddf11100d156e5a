"""The teacher's table: every file counts, or is named; nothing in one can do harm."""

import csv
import json
import shlex

import pytest
from click.testing import CliRunner
from helpers import fails

from drum_qtuner.cli import main
from drum_qtuner.exercises import EXERCISES


def drum_qtuner(line: str):
    "Run a command line in this process."
    return CliRunner().invoke(main, shlex.split(line), prog_name="drum_qtuner")


def write(path, name, **records):
    "A file as a student hands it in: records as done, tries, hints under names such as n01_1."
    exercises = {
        key[1:].replace("_", "."): dict(zip(("done", "tries", "hints"), values))
        for key, values in records.items()
    }
    facts = {"name": name, "drum_qtuner": "0.1.0", "exercises": exercises}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(facts), encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    "A class of three, in a folder; one of them has done nothing."
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in/a.json", "Ben", n01_1=(True, 2, 0), n01_2=(False, 3, 2))
    write(tmp_path / "in/b.json", "ada", n01_1=(True, 1, 0), n01_2=(True, 4, 1))
    write(tmp_path / "in/c.JSON", "Zoë")
    (tmp_path / "in/notes.txt").write_text("not a hand-in")
    (tmp_path / "in/._a.json").write_text("what a Mac leaves behind")
    return tmp_path


def test_shows_who_is_stuck_and_on_what():
    result = drum_qtuner("class in in/a.json")
    assert result.exit_code == 0 and result.stderr == ""
    lines = result.stdout.splitlines()
    asked = sum(number.startswith("01") for number in EXERCISES)
    open_ones = "." * (asked - 2)
    assert [line.split() for line in lines[:4]] == [
        ["lesson", "01", "done"],
        ["ada", "xh" + open_ones, "2", "of", str(asked)],
        ["Ben", "xo" + open_ones, "1", "of", str(asked)],
        ["Zoë", ".." + open_ones, "0", "of", str(asked)],
    ]
    assert "01.1  2 of 3 done, 1.5 tries each" in lines
    assert "01.2  1 of 3 done, 3.5 tries each" in lines


def test_writes_csv_and_json(folder):
    result = drum_qtuner("class in --json --csv class.csv")
    assert result.exit_code == 0, result.stderr
    facts = json.loads(result.stdout)
    assert [student["name"] for student in facts["students"]] == ["ada", "Ben", "Zoë"]
    assert facts["students"][1]["exercises"]["01.2"] == {"done": False, "tries": 3, "hints": 2}
    assert facts["done"]["01.1"] == 2
    with open("class.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * len(facts["done"])
    assert {row["name"]: row["done"] for row in rows if row["exercise"] == "01.2"} == {
        "ada": "1",
        "Ben": "0",
        "Zoë": "0",
    }
    fails(drum_qtuner("class in --csv class.csv"), "class.csv is there already")
    assert drum_qtuner("class in --csv class.csv --overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "damaged"),
        (b"\xff\xfe\x00", "damaged"),
        (b"[" * 100_000, "damaged"),
        (
            b'{"name": "Eve", "exercises": {"01.1": {"done": "yes", "tries": 1, "hints": 0}}}',
            "needs",
        ),
        (b'{"name": "Eve", "exercises": {"\x1b[31m": {}}}', "damaged"),
        (b'{"name": "Eve", "exercises": {"\\u001b[31m": {}}}', "no number of an exercise"),
        (b'{"exercises": {}}', "says no name"),
        (b'{"name": "ada", "exercises": {}}', "so does in/b.json"),
        (b" " * 1_000_001, "larger than"),
    ],
    ids="empty binary deep kinds escape number nameless twice large".split(),
)
def test_one_bad_file_is_one_line_and_no_table(folder, data, complaint):
    (folder / "in/d.json").write_bytes(data)
    result = drum_qtuner("class in --csv class.csv")
    fails(result, "in/d.json", complaint)
    assert result.stdout == "" and "\x1b" not in result.stderr
    assert not (folder / "class.csv").exists()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("class", "Missing argument"),
        ("class nowhere", "does not exist"),
        ("class empty", "holds no .json file"),
        ("class in --csv class.txt", "ends in .csv"),
    ],
)
def test_mistakes_get_one_line(folder, line, complaint):
    (folder / "empty").mkdir()
    fails(drum_qtuner(line), complaint)


def test_what_this_version_does_not_know_is_told_and_counted(folder):
    write(folder / "in/d.json", "Eve", n77_1=(True, 1, 0))
    result = drum_qtuner("class in")
    assert result.exit_code == 0
    assert result.stderr.startswith("Note: in/d.json: exercises 77.1 are not known here")
    assert "77.1  1 of 4 done, 1.0 tries each" in result.stdout


def test_names_from_outside_do_nothing(folder):
    "Neither in a terminal nor in a spreadsheet."
    write(folder / "in/d.json", "=cmd()\x1b[2J\n" + "long" * 20, n01_1=(True, 1, 0))
    result = drum_qtuner("class in --csv class.csv")
    assert result.exit_code == 0 and "\x1b" not in result.stdout
    line = next(line for line in result.stdout.splitlines() if line.startswith("=cmd"))
    assert line.startswith("=cmd()?[2J?long") and "...  x" in line
    with open("class.csv", encoding="utf-8", newline="") as file:
        assert "'=cmd()?[2J?" + "long" * 20 in {row["name"] for row in csv.DictReader(file)}
