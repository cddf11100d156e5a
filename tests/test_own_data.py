"""Folders of MIDI files without a table: every stroke, by bars, split by lot, and said."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import fails, midi_bytes, same_clips, write_folder, write_zip
from strategies import rock

from drum_qtuner.beat import Beat
from drum_qtuner.cli import main
from drum_qtuner.midi import _midi_bytes as file_of
from drum_qtuner.preprocessing import load_clips

pytestmark = [
    pytest.mark.xdist_group("own_data"),
    pytest.mark.filterwarnings("ignore:.*(off the grid|left out|tempo changes)"),
]


def loops(number: int = 30, bars: int = 2) -> dict[str, bytes]:
    "Loops on all drums, each at a tempo of its own, in two styles."
    random, files = np.random.default_rng(0), {}
    for i in range(number):
        struck = random.random((16 * bars, 9)) < 0.2
        struck[[0, -1]] = True
        velocity = struck * random.integers(1, 128, struck.shape)
        offset = random.uniform(-0.2, 0.2, struck.shape)
        offset[0] = 0
        files[f"{'rock' if i % 2 else 'funk'}/{i:02}.mid"] = file_of(Beat(velocity, offset, 80 + i))
    return files


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    return tmp_path


def drum_qtuner(line: str):
    return CliRunner().invoke(main, shlex.split(line), prog_name="drum_qtuner")


def test_a_clip_is_its_file():
    "By another road: what a file is as a beat, its clip is too."
    files = loops()
    clips = load_clips(write_folder(Path("mine"), files), "all")
    assert len(clips) == 30 and clips.origin.kind == "folder" and clips.left_out == {}
    for number in range(30):
        beat = Beat.from_midi(files[clips.info["id"][number]])
        assert (clips.velocity[number] == beat.velocity).all()
        np.testing.assert_allclose(clips.offset[number], beat.offset, atol=2e-3)
        assert clips.info["bpm"][number] == beat.bpm
        assert clips.info["style"][number] == clips.info["id"][number].split("/")[0]
    assert clips.info["split"].value_counts().to_dict() == dict(train=24, validation=3, test=3)


def test_the_lot_is_the_same_each_time_and_said():
    folder, files = write_folder(Path("mine"), loops()), loops()
    with pytest.warns(
        UserWarning, match="split by lot, 24 for train, 3 for validation, 3 for test"
    ):
        first = load_clips(folder, "all")
    same_clips(load_clips(folder, "all"), first)
    same_clips(load_clips(write_zip(Path("mine.zip"), files, ""), "all"), first, origin=False)


def test_clips_of_one_file_are_in_one_split():
    clips = load_clips(write_folder(Path("long"), loops(12, bars=5)), "all")
    assert len(clips) == 12 * 4
    assert (clips.info.groupby("id")["split"].nunique() == 1).all()


def test_bars_are_found_by_ticks_where_the_tempo_changes():
    "A tempo that doubles on the way moves no stroke to another step."
    notes = [(36, 90, t, t + 60) for t in range(0, 4 * 1920, 480)]
    steady = midi_bytes(notes, last_tick=4 * 1920)
    at = steady.index(b"\x99\x24\x5a", 100)
    faster = steady[: at - 1] + b"\0\xff\x51\3\x03\xd0\x90" + steady[at - 1 :]
    faster = faster[:18] + (len(faster) - 22).to_bytes(4, "big") + faster[22:]
    three = {f"{i}.mid": faster for i in range(3)}
    clips = load_clips(write_folder(Path("faster"), three), "all")
    assert len(clips) == 9 and (clips.classes == [0, 9, 9, 9] * 8).all()
    assert set(clips.info["bpm"]) == {120}


def test_loops_of_one_bar_are_repeated_if_asked():
    folder = write_folder(Path("short"), loops(10, bars=1))
    with pytest.raises(
        ValueError, match="not one of 10 .*has one bar, and a clip two; repeat=True"
    ):
        load_clips(folder)
    clips = load_clips(folder, "all", repeat=True)
    assert len(clips) == 10 and (clips.velocity[:, :16] == clips.velocity[:, 16:]).all()


def test_what_cannot_be_used_is_skipped_with_its_reason(capsys):
    waltz = midi_bytes([(36, 90, t, t + 60) for t in range(0, 5760, 480)], signature="3-4")
    piano = midi_bytes([(36, 90, 0, 60)]).replace(b"\x99", b"\x90").replace(b"\x89", b"\x80")
    files = loops(6) | {"a waltz.mid": waltz, "piano.mid": piano, "z.mid": b"MThd"}
    clips = load_clips(write_folder(Path("mixed"), files), "all")
    assert len(clips) == 6 and clips.left_out == {"(performances) skipped": 3}
    assert "skipped 3 performances, the first: a waltz.mid: is in 3/4" in capsys.readouterr().out
    assert len(load_clips(Path("mixed"), "all", fit_bars=True)) > 6
    for name in list(files)[:4]:
        Path("mixed", name).unlink()
    with pytest.raises(ValueError, match="mixed: 2 of the files can be used, and 3 are needed"):
        load_clips(Path("mixed"))
    with pytest.raises(
        ValueError, match="of 1 MIDI files can be used; the first: a.mid: .*notes are"
    ):
        load_clips(write_folder(Path("piano"), {"a.mid": piano}))
    Path("nothing").mkdir()
    with pytest.raises(ValueError, match="no info.csv, .* and no MIDI files either"):
        load_clips("nothing")
    write_folder(Path("table"), {"info.csv": b"drummer\n", "a.mid": piano})
    with pytest.raises(ValueError, match="fit_bars and repeat are for files without"):
        load_clips("table", repeat=True)


def test_strokes_without_an_end_are_learned_from():
    "A file in which no note is ever switched off."
    body = b"".join(b"\x83\x60\x99\x24\x5a" for _ in range(8))
    track = b"\0" + body[2:] + b"\x83\x60\xff\x2f\0"
    data = midi_bytes([(36, 90, 0, 60)])[:14] + b"MTrk" + len(track).to_bytes(4, "big") + track
    files = {f"{i}.mid": data for i in range(3)}
    clips = load_clips(write_folder(Path("endless"), files), "all")
    assert (clips.classes == [0, 9, 9, 9] * 8).all() and len(clips) == 3


def test_one_command_learns_from_a_folder():
    "Thirty loops: described, learned from, and tuned on."
    write_folder(Path("mine"), loops())
    result = drum_qtuner("data --data mine")
    assert result.exit_code == 0 and "train:     24 clips of 24 performances" in result.stdout
    assert "Note: mine has no info.csv" in result.stderr and "funk 1" in result.stdout
    line = "run --data mine --note-cnn-clips 320 --iterations 200 --epsilons 0.1 --out learned"
    result = drum_qtuner(line)
    assert result.exit_code == 0 and "24 training clips from mine" in result.stdout
    assert Path("learned/report.html").exists()
    write_folder(Path("short"), loops(9, bars=1))
    fails(drum_qtuner("data --data short"), "has one bar", "--repeat")
    assert drum_qtuner("data --data short --repeat").exit_code == 0
    rock().to_midi("two/1.mid")
    fails(drum_qtuner("data --data two"), "1 of the files can be used, and 3 are needed")
