"""The command `evaluate`: a table, a file, a picture, and mistakes in one line."""

import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import fails, midi_bytes

from drum_qtuner.beat import Beat
from drum_qtuner.cli import main
from drum_qtuner.preprocessing import load_clips

pytestmark = pytest.mark.xdist_group("cli_evaluate")  # one worker: the tests share a folder


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    "A new working folder with two folders of beats in it."
    folder, rng = tmp_path_factory.mktemp("evaluate"), np.random.default_rng(0)
    for number in range(12):
        Beat.from_classes(rng.integers(0, 10, 32)).to_midi(folder / f"chance/{number:02}.mid")
        Beat.from_classes([6] * 32).to_midi(folder / f"loops/{number:02}.mid")
    Beat.from_classes([6] * 64).to_midi(folder / "long/01.mid")
    Beat.from_classes([6] * 64).to_midi(folder / "long/02.mid")
    (folder / "broken.mid").write_bytes(b"MThd")
    Beat.from_classes([6] * 16).to_midi(folder / "short.mid")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def evaluate(line: str):
    return CliRunner().invoke(main, ["evaluate", *shlex.split(line)], prog_name="drum_qtuner")


def files(folder, *names):
    return " ".join(
        path.relative_to(folder).as_posix()
        for name in names
        for path in sorted(folder.glob(f"{name}/*.mid"))
    )


def test_table_and_files(folder):
    result = evaluate(files(folder, "chance", "loops") + " --out panel")
    assert result.exit_code == 0, result.output
    assert (
        "Groove MIDI Dataset 1.0.0; 12 beats of each folder beside validation" in result.stdout
        and "needs 40 beats" in result.stdout
    )
    panel = pd.read_csv(folder / "panel/panel.csv")
    assert panel["set"].unique().tolist() == ["real", "chance", "loops", "random"]
    distinct = panel[panel["figure"] == "distinct beats"].set_index("set")["value"]
    assert distinct["loops"] == pytest.approx(1 / 12) and distinct["chance"] == 1
    assert (folder / "panel/panel.png").read_bytes().startswith(b"\x89PNG")
    for figure in panel["figure"].unique():
        assert figure in result.stdout


def test_files_are_not_written_over_unasked(folder):
    before = (folder / "panel/panel.csv").read_bytes()
    fails(evaluate(files(folder, "chance") + " --out panel"), "is there already", "--overwrite")
    assert (folder / "panel/panel.csv").read_bytes() == before
    assert evaluate(files(folder, "chance", "loops") + " --out panel --overwrite").exit_code == 0
    assert (folder / "panel/panel.csv").read_bytes() == before  # same seed, same panel


def test_final_looks_at_test_clips(folder):
    result = evaluate(files(folder, "chance") + " --final --fast --seed 3")
    assert (
        result.exit_code == 0
        and "beside test clips" in result.stdout
        and "No two-sample test.\n" in result.stdout
    )


def test_notes_of_many_files_are_one_of_each_kind(folder):
    "Rolls of 32nds lose strokes, and a waltz is refused unless asked for."
    roll = [(38, 90, tick, tick + 30) for tick in range(0, 3840, 60)]
    (folder / "rolls").mkdir()
    for number in range(12):
        data = midi_bytes(roll[: -1 - number], last_tick=3840)
        (folder / f"rolls/{number:02}.mid").write_bytes(data)
    told = evaluate(files(folder, "rolls") + " --fast").stderr
    notes = [line for line in told.splitlines() if line.startswith("Note: rolls/00.mid: ")]
    assert len(notes) == len(told.splitlines()) == 2
    assert "left out 31 of 63 strokes" in notes[0] and "in 11 more" in notes[0]
    (folder / "waltz.mid").write_bytes(midi_bytes(roll[:48], signature="3-4", last_tick=2880))
    fails(evaluate("waltz.mid"), "waltz.mid: is in 3/4", "--fit-bars")


def test_songs_are_cut_and_folders_are_searched(folder):
    "Two beats of four bars have three clips each; a broken file is left out if asked."
    result = evaluate("long --fast")
    assert result.exit_code == 0 and "6 beats of each folder" in result.stdout
    songs = folder / "songs"
    songs.mkdir()
    for name in ("broken.mid", "short.mid", "long/01.mid"):
        (songs / Path(name).name).write_bytes((folder / name).read_bytes())
    fails(evaluate("songs --fast"), "broken.mid: not a MIDI file")
    result = evaluate("songs/*.mid --fast --skip-bad")
    assert result.exit_code == 0 and "3 beats of each folder" in result.stdout
    told = [line for line in result.stderr.splitlines() if line.startswith("Note: left out songs/")]
    assert len(told) == 2 and "broken.mid" in told[0] and "has one bar" in told[1]
    (songs / "01.mid").unlink()
    fails_after_notes = evaluate("songs --fast --skip-bad")
    assert fails_after_notes.exit_code == 2 and "not one of 2 files" in fails_after_notes.stderr


def test_poly(folder):
    assert evaluate(files(folder, "loops") + " --poly --fast").exit_code == 0


@pytest.mark.parametrize(
    "line, words",
    [
        ("", ["FILES"]),
        ("nowhere.mid", ["nowhere.mid"]),
        ("broken.mid", ["broken.mid"]),
        ("chance/00.mid", ["at least two"]),
        ("short.mid short.mid", ["short.mid: has one bar"]),
        ("nothing", ["nothing: there is no such file"]),
    ],
)
def test_mistakes(folder, line, words):
    fails(evaluate(line), *words)


def test_the_folder_in_which_one_works_has_its_name(folder, monkeypatch):
    shutil.copytree(folder / "loops", folder / "one" / "loops")
    monkeypatch.chdir(folder / "one")
    shutil.copy("loops/01.mid", "alone.mid")
    fails(evaluate("alone.mid --fast"), "Error: one: at least two beats")
    monkeypatch.chdir(folder / "one" / "loops")
    fails(evaluate("../alone.mid --fast"), "Error: one: at least two beats")


def test_benchmark_wants_a_thousand_beats(folder):
    fails(evaluate(files(folder, "chance") + " --benchmark"), "chance: the benchmark needs 1,000")


def test_the_row_of_the_benchmark(folder, monkeypatch):
    "The figures that the whole panel gives."
    monkeypatch.setattr("drum_qtuner.benchmark.BEATS", 40)
    rng = np.random.default_rng(1)
    for number in range(40):
        Beat.from_classes(rng.integers(0, 10, 32)).to_midi(folder / f"forty/{number:02}.mid")
    row = evaluate("forty --benchmark")
    assert row.exit_code == 0, row.output
    assert evaluate("forty --final --out whole").exit_code == 0
    panel = pd.read_csv(folder / "whole/panel.csv").query("set == 'forty'").set_index("figure")
    (said,) = (line for line in row.stdout.splitlines() if line.startswith("forty"))
    for figure in ("excess", "coverage", "steps copied"):
        assert f"{panel.loc[figure, 'value']:.2f} ±" in said


def test_songs_of_real_drummers_are_not_told_from_real_clips(folder):
    "Forty training performances as files: cut by step, they are to be compared with such clips."
    clips = load_clips(grid="performance", verbose=False)
    ids = np.random.default_rng(0).permutation(clips.info["id"].unique())
    long = [i for i in ids if (clips.info["id"] == i).sum() > 8][:40]
    for number, name in enumerate(long):
        rows = np.flatnonzero(clips.info["id"] == name)[::2][:12]
        velocity, offset = (part[rows].reshape(-1, 9) for part in (clips.velocity, clips.offset))
        song = Beat(velocity, offset, clips.info["bpm"].iloc[rows[0]])
        song.to_midi(folder / f"drummers/{number:02}.mid")
    found = {}
    for grid in ("performance", "paper"):
        asked = f" --grid {grid}" if grid == "paper" else ""
        result = evaluate(f"drummers --out {grid}{asked}")
        assert result.exit_code == 0, result.output
        assert f"cut on the {grid}'s grid" in result.stdout
        panel = pd.read_csv(folder / f"{grid}/panel.csv")
        found[grid] = panel.query("set == 'drummers' and figure == 'excess'").iloc[0]
    assert found["performance"]["low"] < 0 < found["performance"]["high"]
    assert found["paper"]["value"] > found["performance"]["value"] + 0.05
