"""Groove: damaged data sets, the packaged copy, and all sources beside each other."""

import csv
import io
import os
import random
import subprocess
import sys
import unicodedata
import warnings
import weakref
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi
import pytest
from helpers import (
    COLUMNS,
    at_most,
    groove,
    midi_bytes,
    one_note,
    raw_midi,
    row,
    same_clips,
    small_dataset,
    table,
    varlen,
    write_folder,
    write_zip,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drum_qtuner import archive
from drum_qtuner.archive import GROOVE_SHA256, GROOVE_URL, dataset_files, download
from drum_qtuner.beat import CLASS_OF_PITCH, REST
from drum_qtuner.groove import (
    GROOVE_HASHES,
    PACKAGED,
    Origin,
    pack_tracks,
    packaged_performances,
    read_performance,
    read_performances,
    unpack_tracks,
)
from drum_qtuner.intervals import groups as performance_of
from drum_qtuner.midi_file import DrumTrack, read_drums
from drum_qtuner.preprocessing import Clips, cut, load_clips

GROOVE = os.environ.get("DRUM_QTUNER_GROOVE")
needs_groove = pytest.mark.skipif(not GROOVE, reason="DRUM_QTUNER_GROOVE names no data set")
PREPARED = os.environ.get("DRUM_QTUNER_TFDS")  # TFDS prepares all of Groove: fifteen minutes
needs_time = pytest.mark.skipif(
    not (GROOVE and PREPARED), reason="DRUM_QTUNER_TFDS names no folder for what TFDS prepares"
)
FIRST = row(1)["midi_filename"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    "A fresh place for downloads, and no archive that was downloaded before."
    monkeypatch.setenv("DRUM_QTUNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DRUM_QTUNER_GROOVE", raising=False)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    download.cache_clear()
    yield
    download.cache_clear()


@pytest.fixture
def small(tmp_path) -> Path:
    "The small data set as a zip."
    return write_zip(tmp_path / "small.zip", small_dataset())


@pytest.fixture
def offline(monkeypatch):
    "No network."

    def refuse(*args, **kwargs):
        raise ConnectionError("no network here")

    monkeypatch.setattr("pooch.retrieve", refuse)


def skipped(clips: Clips) -> int:
    return sum(count for why, count in clips.left_out.items() if "skipped" in why)


# Reading one performance


def test_times_agree_with_pretty_midi(tmp_path):
    song = raw_midi(
        b"".join(
            varlen(100 + i)
            + b"\xff\x51\x03"
            + (400_000 + 7_919 * i).to_bytes(3, "big")
            + one_note(varlen(37 * i), varlen(60))[:-4]
            for i in range(20)
        )
        + b"\0\xff\x2f\0"
    )
    path = tmp_path / "tempos.mid"
    path.write_bytes(song)
    expected = sorted(
        (n.start, n.end, n.pitch, n.velocity)
        for n in pretty_midi.PrettyMIDI(str(path)).instruments[0].notes
    )
    found = read_performance(row(1), song)
    np.testing.assert_allclose(found.notes, expected, rtol=1e-12)
    assert found.end == pytest.approx(expected[-1][1], rel=1e-12)


def test_a_performance_lasts_until_its_last_event():
    assert read_performance(row(1), midi_bytes(groove(2), last_tick=3 * 1920)).end == pytest.approx(
        6.0
    )
    assert read_performance(row(1), midi_bytes([(36, 90, 0, 60)])).end == pytest.approx(1 / 16)


# A data set


def test_the_small_dataset(small, tmp_path, capsys):
    clips = load_clips(small, "all")
    assert clips.info["id"].str[-1].tolist() == list("1112222445") and clips.info[
        "bar"
    ].tolist() == [0, 1, 2, 0, 1, 2, 3, 0, 1, 0]
    assert (
        clips.left_out == {"not in 4/4": 3, "second bar empty": 1}
        and clips.origin.name == "small.zip"
    )
    assert "small.zip" in capsys.readouterr().out
    assert clips.info.loc[3].to_dict() == dict(
        split="train",
        style="funk/groove1",
        bpm=97.0,
        beat_type="beat",
        drummer="drummer1",
        session="drummer1/session1",
        id="drummer1/session1/2",
        bar=0,
        notes=20,
    )
    assert clips.classes[0].tolist() == [0, 9, 6, 9, 6, 9, 6, 9, 1, 9, 6, 9, 6, 9, 6, 9] * 2
    assert clips[0].velocity[0].tolist() == [100, 0, 0, 0, 0, 0, 60, 0, 0] and clips[0].bpm == 120
    assert clips[0].offset[8, 1] == pytest.approx(7 / 120, abs=1e-3)
    folder = load_clips(write_folder(tmp_path / "folder", small_dataset()), "all")
    same_clips(folder, clips, origin=False)


def test_splits_and_grids(small):
    parts = {split: load_clips(small, split) for split in ("train", "validation", "test", "all")}
    assert {split: len(clips) for split, clips in parts.items()} == {
        "train": 7,
        "validation": 2,
        "test": 1,
        "all": 10,
    }
    assert all(
        set(clips.info["split"]) == {split} for split, clips in parts.items() if split != "all"
    )
    repaired = load_clips(small, "all", grid="performance")
    pd.testing.assert_frame_equal(repaired.info, parts["all"].info)
    pushed = (repaired.info["style"] == "funk/groove1") & (
        repaired.info["bar"] > 0
    )  # downbeats are early: hi-hat alone, or bass drum
    assert set(parts["all"].classes[pushed, 0]) == {6} and set(repaired.classes[pushed, 0]) == {0}


def test_the_table_may_lie_deeper_and_begin_with_a_mark(tmp_path):
    files = small_dataset()
    files["info.csv"] = b"\xef\xbb\xbf" + files["info.csv"].replace(b"\r\n", b"\n")
    assert len(load_clips(write_zip(tmp_path / "deep.zip", files, "a/b/groove/"), "all")) == 10
    assert len(load_clips(write_zip(tmp_path / "flat.zip", files, ""), "all")) == 10


def test_a_fraction_of_a_bpm(tmp_path):
    files = small_dataset()
    files["info.csv"] = files["info.csv"].replace(b",rock,120,", b",rock,120.5,")
    assert set(load_clips(write_zip(tmp_path / "a.zip", files)).info["bpm"]) == {120.5, 97}


def test_other_bytes_are_read_again(small, tmp_path):
    before = load_clips(small, "all")
    files = small_dataset()
    files[FIRST] = midi_bytes([(51, 33, tick, tick + 60) for tick in range(0, 4 * 1920, 480)])
    after = load_clips(write_zip(small, files), "all")
    assert set(after[0].classes()) == {8, REST} and set(before[0].classes()) == {0, 1, 6, REST}
    folder = write_folder(tmp_path / "folder", small_dataset())
    same_clips(load_clips(folder, "all"), before, origin=False)
    write_folder(folder, files)
    same_clips(load_clips(folder, "all"), after, origin=False)


def test_another_map_gives_other_drums(small):
    assert 0 in load_clips(small, "all").classes
    clips = load_clips(small, "all", map={**CLASS_OF_PITCH, 36: 8})
    assert 0 not in clips.classes and 8 in clips.classes
    with pytest.raises(ValueError, match="none of roland.gm, roland, gm"):
        load_clips(small, map="nobody")


# Data sets as people have them


def test_names_as_people_write_them(tmp_path):
    "Large letters, other endings, a colon, a zip from Windows, a zip from a Mac."
    files, names = small_dataset(), {}
    wanted = load_clips(write_zip(tmp_path / "plain.zip", files), "all")
    endings = [".MID", ".Midi", ".kar", ".smf"]
    for number, ending in zip((1, 2, 4, 5), endings):
        old = next(name for name in files if f"/{number}_" in name)
        names[old] = f"Fünk 12:8/{number}{ending}"
    info = files["info.csv"].decode()
    for old, new in names.items():
        info = info.replace(old, new)
    renamed = {names.get(name, name): data for name, data in files.items()}
    renamed["info.csv"] = info.encode()
    apart = {unicodedata.normalize("NFD", name): data for name, data in renamed.items()}
    mac = {f"__MACOSX/{name}": b"\0\5\x16\7" for name in renamed} | {"._info.csv": b"\0"} | apart
    for number, content in enumerate((renamed, apart, mac)):
        same_clips(
            load_clips(write_zip(tmp_path / f"{number}.zip", content), "all"), wanted, origin=False
        )
        folder = write_folder(tmp_path / str(number), content)
        same_clips(load_clips(folder, "all"), wanted, origin=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda info: info.replace(b",", b";"),
        lambda info: info.replace(b",", b"\t"),
        lambda info: info.replace(b"\r\n", b"\r"),
        lambda info: info.replace(b",", b", ") + b",,,,,,,,,,\r\n",
        lambda info: info.replace(b"drummer,session,id", b"Drummer,SESSION,Id"),
        lambda info: info.replace(b"drummer1/session1/1_", b"./drummer1//session1/1_"),
    ],
)
def test_tables_as_programs_write_them(change, small, tmp_path):
    files = small_dataset()
    files["info.csv"] = change(files["info.csv"])
    other = write_zip(tmp_path / "other.zip", files)
    same_clips(load_clips(other, "all"), load_clips(small, "all"), origin=False)


def test_a_zip_with_backslashes(small):
    data, wanted = small.read_bytes(), load_clips(small, "all")
    with zipfile.ZipFile(small) as archive:
        names = [name.encode() for name in archive.namelist()]
    for name in names:
        data = data.replace(name, name.replace(b"/", b"\\"))
    small.write_bytes(data)
    with zipfile.ZipFile(small) as archive:
        assert all("\\" in name for name in archive.namelist())
    same_clips(load_clips(small, "all"), wanted)


@pytest.mark.parametrize(
    "name, reason",
    [("gone.mid", "not there, or larger than 2,000,000 bytes"), ("a.wav", "ends in none of .mid")],
)
def test_a_file_that_is_missing_has_its_reason(name, reason, tmp_path, capsys):
    files = small_dataset()
    files["info.csv"] = files["info.csv"].replace(FIRST.encode(), name.encode())
    load_clips(write_zip(tmp_path / "gone.zip", files), "all")
    assert f"{name}: named in info.csv, but" in (said := capsys.readouterr().out) and reason in said


def own(tmp_path, data: bytes, **options) -> Clips:
    "The clips of the small data set with another first file, of which alone they are."
    files = small_dataset()
    files["info.csv"] = table([row(1)])
    return load_clips(write_zip(tmp_path / "own.zip", files | {FIRST: data}), "all", **options)


def test_every_stroke_of_ones_own_counts(tmp_path):
    "No note-off, an off in the same tick, and notes of two bars: the strokes are the same."
    ticks = range(0, 3 * 1920, 480)
    wanted = own(tmp_path, midi_bytes([(36, 90, t, t + 60) for t in ticks], last_tick=3 * 1920))
    assert len(wanted) == 2 and wanted.classes.tolist() == [[0, 9, 9, 9] * 8] * 2
    for body in (
        b"\0\x99\x24\x5a" + (varlen(480) + b"\x99\x24\x5a") * 11,
        (b"\0\x99\x24\x5a\0\x89\x24\0") + (varlen(480) + b"\x99\x24\x5a\0\x89\x24\0") * 11,
        b"\0\x99\x24\x5a" + (varlen(480) + b"\x99\x24\x5a") * 11 + b"\0\x89\x24\0",
    ):
        clips = own(tmp_path, raw_midi(body + varlen(480) + b"\xff\x2f\0"))
        assert (clips.velocity == wanted.velocity).all(), body


@pytest.mark.parametrize("late", [-50, -1, 0, 1, 50])
@pytest.mark.parametrize("length", [0, 1, 60, 2000])
def test_a_stroke_is_on_its_step_however_long_it_lasts(late, length, tmp_path):
    "Late on the last step it is there; early on a barline it is in no window that ends there."
    last = 31 if late >= 0 else 30
    ticks = [240, 120 * last + late, 3840 + late, 5640 + late]
    body, now = b"", 0
    for tick in ticks:
        body += varlen(tick - now) + b"\x99\x24\x5a"
        now = tick
    body += varlen(5760 - now) + b"\xff\x2f\0"
    data = midi_bytes([(36, 90, t, t + length) for t in ticks], last_tick=5760) if length else None
    clips = own(tmp_path, data or raw_midi(body))
    struck = [np.flatnonzero(clip < REST).tolist() for clip in clips.classes]
    assert struck == [[2, last], [last - 16, 16, 31]]


def test_groove_alone_drops_strokes_without_length(tmp_path):
    strokes = (varlen(480) + b"\x99\x24\x5a\x60\x89\x24\0") * 7  # the eighth has no length
    data = raw_midi(strokes + varlen(480) + b"\x99\x24\x5a\0\x89\x24\0\0\xff\x2f\0")
    every, paper = (read_performance(row(1), data, as_groove) for as_groove in (False, True))
    assert (len(every.notes), len(paper.notes)) == (8, 7)
    sounds = pretty_midi.PrettyMIDI(io.BytesIO(data)).instruments[0].notes
    assert len(sounds) == len(paper.notes)


def test_maps_channels_and_damage_of_ones_own(tmp_path):
    loop = [(35, 90, t, t + 60) for t in range(0, 2 * 1920, 480)]
    assert set(own(tmp_path, midi_bytes(loop)).classes[0]) == {0, REST}
    both = midi_bytes([*loop, (36, 80, 240, 300)])
    clips = own(tmp_path, both, map="roland")
    assert clips.left_out == {"(notes) of pitches that are not on the kit: 35": 8}
    elsewhere = midi_bytes(loop).replace(b"\x99", b"\x91").replace(b"\x89", b"\x81")
    with pytest.raises(ValueError, match="no note on channel 10; notes are on channel 2"):
        own(tmp_path, elsewhere)
    assert len(own(tmp_path, elsewhere, channel=2)) == 1
    cut_short = midi_bytes(loop)[:-9]
    with pytest.raises(ValueError, match="damaged"):
        own(tmp_path, cut_short)
    with pytest.warns(UserWarning, match="damaged: .* the rest is read"):
        assert len(own(tmp_path, cut_short, strict=False)) == 1


def test_a_table_that_contradicts_its_files_is_told(tmp_path):
    loop = [(36, 90, t, t + 60) for t in range(0, 2 * 1920, 480)]
    with pytest.warns(UserWarning, match="1 of 1 files have another tempo .* 90 and not 120 bpm"):
        own(tmp_path, midi_bytes(loop, bpm=90))
    words = "1 of 1 files have another time signature .* 3-4 and not 4-4"
    with pytest.warns(UserWarning, match=words):
        own(tmp_path, midi_bytes(loop, signature="3-4"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own(tmp_path, midi_bytes(loop, bpm=120.3))


def test_files_of_one_bar_say_so(tmp_path):
    files = small_dataset()
    bar = midi_bytes([(36, 90, t, t + 60) for t in range(0, 1920, 480)])
    with pytest.raises(ValueError, match="left out: 1 \\(performances\\) shorter"):
        own(tmp_path, bar)
    clips = load_clips(write_zip(tmp_path / "one.zip", files | {FIRST: bar}), "all")
    assert clips.left_out["(performances) shorter than two bars"] == 1


# E-GMD: every performance once more on each of many kits


def expanded(kits: int = 3, folder: str = "e-gmd-v1.0.0/", table_folder: str = "e-gmd-v1.0.0/"):
    "The small data set in the layout of E-GMD, with recordings that nobody can unpack."
    files, rows = {}, []
    small = small_dataset()
    for old in csv.DictReader(io.StringIO(small["info.csv"].decode())):
        for kit in range(1, kits + 1):
            name = f"{old['midi_filename'][:-4]}_{kit}"
            names = dict(midi_filename=f"{name}.midi", audio_filename=f"{name}.wav")
            rows.append(old | names | dict(kit_name=f"Kit {kit}"))
            files |= {f"{folder}{name}.midi": small[old["midi_filename"]]}
            files |= {f"{folder}{name}.wav": b"RIFF"}
    columns = [*COLUMNS[:7], "duration", "split", "midi_filename", "audio_filename", "kit_name"]
    return files | {f"{table_folder}e-gmd-v1.0.0.csv": table(rows, columns)}


@pytest.mark.parametrize("table_folder", ["e-gmd-v1.0.0/", ""])
def test_each_kit_of_e_gmd_is_the_small_dataset(table_folder, small, tmp_path):
    "In a zip or a folder, with the table in the folder or beside it."
    wanted, files = load_clips(small, "all"), expanded(table_folder=table_folder)
    damaged = write_zip(tmp_path / "e-gmd.zip", files, "")
    damaged.write_bytes(damaged.read_bytes().replace(b"RIFF", b"RIFX"))  # no sum is right now
    for source in (damaged, write_folder(tmp_path / "e-gmd", files)):
        clips = load_clips(source, "all")
        assert clips.left_out == {why: 3 * n for why, n in wanted.left_out.items()}
        for kit in ("Kit 1", "Kit 2", "Kit 3"):
            one = clips.select(clips.info["kit_name"] == kit)
            for name in ("classes", "velocity", "offset"):
                np.testing.assert_array_equal(getattr(one, name), getattr(wanted, name))
            pd.testing.assert_frame_equal(one.info.drop(columns="kit_name"), wanted.info)
    assert (clips.info.groupby("id")["split"].nunique() == 1).all()
    assert len(set(performance_of(clips))) == 4


def test_a_performance_in_two_splits_is_told(tmp_path):
    files = expanded()
    name = "e-gmd-v1.0.0/e-gmd-v1.0.0.csv"
    files[name] = files[name].replace(b",train,", b",test,", 1)
    with pytest.warns(UserWarning, match="e-gmd-v1.0.0.csv puts 1 performance into more than one"):
        load_clips(write_zip(tmp_path / "e-gmd.zip", files, ""))


def test_of_two_tables_none_is_right(tmp_path):
    files = small_dataset()
    two = {f"groove/{name}": data for name, data in files.items()} | expanded()
    both = r"which is its table, groove/info.csv or e-gmd-v1.0.0/e-gmd-v1.0.0.csv\?"
    with pytest.raises(ValueError, match=both):
        load_clips(write_zip(tmp_path / "two.zip", two, ""))
    deeper = {"info.csv": files["info.csv"], "more/info.csv": b"drummer\n"}
    assert len(load_clips(write_zip(tmp_path / "deep.zip", files | deeper), "all")) == 10


def test_performances_are_forgotten_once_they_are_cut(small, monkeypatch):
    "Of many only one or two are in memory, and the batches in which they are cut do not show."
    [performance, *_], _ = read_performances(small)
    wanted, alive = cut([performance] * 50), []

    def one_after_the_other():
        for _ in range(50):
            assert sum(reference() is not None for reference in alive) <= 1
            copy = replace(performance, notes=performance.notes.copy())
            alive.append(weakref.ref(copy))
            yield copy
            del copy

    monkeypatch.setattr("drum_qtuner.clips._BATCH", 7)
    same_clips(cut(one_after_the_other()), wanted)


# Damaged rows and files: skipped, counted, named


def test_damaged_midi_is_skipped_and_counted(tmp_path, capsys):
    whole = small_dataset()
    good = whole[FIRST]
    for data in (
        b"",
        b"garbage" * 30,
        good[: len(good) // 2],
        good[:20],
        None,
        raw_midi(one_note(b"\0", tempo=0)),
        raw_midi(one_note(b"\xff\xff\xff\x7f")),
        raw_midi(one_note(b"\xff" * 8 + b"\x7f")),
        raw_midi(one_note(b"\xff" * 12 + b"\x7f")),
        raw_midi(one_note(b"\xff" * 200 + b"\x7f")),
        raw_midi(one_note(b"\0", b"\xff" * 200 + b"\x7f")),
        raw_midi(one_note(b"\0"), resolution=0),
    ):
        files = {
            name: content
            for name, content in (whole | {FIRST: data}).items()
            if content is not None
        }
        with at_most(5):
            clips = load_clips(write_zip(tmp_path / "damaged.zip", files), "all")
        assert (len(clips), skipped(clips)) == (7, 1)
        assert FIRST in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [dict(bpm=bpm) for bpm in "0 -1 nan inf 1e12 fast".split() + [""]]
    + [dict(split="foo"), dict(split="")]
    + [
        dict(time_signature=signature)
        for signature in ("x", "", "0-4", "4/4", "99-4", "-4-4", "9" * 5000)
    ]
    + [dict(midi_filename="no/such.mid"), dict(midi_filename=""), dict(midi_filename="a\0b.mid")],
)
def test_senseless_rows_are_skipped(change, tmp_path, capsys):
    files = small_dataset()
    files["info.csv"] = table([row(1) | change, row(5, "test", "hiphop", "90", "fill")])
    clips = load_clips(write_zip(tmp_path / "odd.zip", files), "all")
    assert (len(clips), skipped(clips)) == (1, 1)
    assert change.get("midi_filename", FIRST).replace("\0", "?") in capsys.readouterr().out


def test_odd_but_harmless_signatures_are_not_in_4_4(tmp_path):
    files = small_dataset()
    files["info.csv"] = table(
        [row(1, signature="4-0", midi_filename=FIRST), row(5, "test", "hiphop", "90", "fill")]
    )
    clips = load_clips(write_zip(tmp_path / "odd.zip", files), "all")
    assert len(clips) == 1 and clips.left_out == {"not in 4/4": 3}


def test_a_row_that_is_cut_short_is_skipped(tmp_path):
    files = small_dataset()
    files["info.csv"] += b"drummer1,drummer1/session1\r\n"
    clips = load_clips(write_zip(tmp_path / "short.zip", files), "all")
    assert (len(clips), skipped(clips)) == (10, 1)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    tempo=st.integers(1, 2**24 - 1) | st.sampled_from([1, 2**24 - 1]),
    resolution=st.integers(1, 32767) | st.integers(1, 8),
    bpm=st.floats(10, 1000),
    wait=st.integers(0, 2**28 - 1) | st.integers(0, 500),
    length=st.integers(1, 2**28 - 1) | st.integers(1, 500),
)
@example(tempo=5_452_624, resolution=11, bpm=999.0, wait=0, length=387)
@example(tempo=1, resolution=1, bpm=880.0, wait=0, length=409_091)
def test_absurd_tempos_give_clips_or_a_value_error(tempo, resolution, bpm, wait, length):
    data = raw_midi(one_note(varlen(wait), varlen(length), tempo), resolution=resolution)
    with at_most(5):
        try:
            cut([read_performance(row(1, bpm=str(bpm)), data)])
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize(
    "tempo, resolution", [(1, 1), (16_777_215, 1), (16_777_215, 2), (60_000_000 // 4, 1)]
)
def test_a_tempo_that_fits_no_window_costs_one_performance(tempo, resolution, tmp_path):
    hits = (
        b"".join(varlen(1) + b"\x99\x24\x64" + varlen(1) + b"\x89\x24\0" for _ in range(4))
        + b"\0\xff\x2f\0"
    )
    files = small_dataset() | {
        FIRST: raw_midi(b"\0\xff\x51\x03" + tempo.to_bytes(3, "big") + hits, resolution=resolution)
    }
    clips = load_clips(write_zip(tmp_path / "slow.zip", files), "all")
    assert (clips.info["id"] != row(1)["id"]).sum() == 7


# Damaged data sets: one clear error that names the file


def fails(source, message="", **options):
    "`load_clips` raises one ValueError that names the source."
    with at_most(10), pytest.raises(ValueError, match=message) as error:
        load_clips(source, **options)
    assert Path(source).name in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "info, message",
    [
        (b"", "no rows"),
        (table([]), "no rows"),
        (b"\n\n\n", "no rows"),
        (table([row(1)], [c for c in COLUMNS if c != "split"]), "lacks the column split"),
        (table([row(1)]).replace(b"drummer", b"dr\xfcmmer"), "UTF-8"),
        ("drummer,session\r\n".encode("utf-16"), "UTF-8|column"),
        (bytes(1000), "column|UTF-8"),
        (table([row(1)]) + b'"' + b"x" * 200_000, "CSV"),
        (table([row(1, midi_filename="../../etc/passwd")]), "leads out of the data set"),
        (table([row(1, midi_filename="/etc/passwd")]), "leads out of the data set"),
        (table([row(1, midi_filename="C:\\song.mid")]), "leads out of the data set"),
        (table([row(1, midi_filename="no/such.mid")]), "not one of 1 performances"),
    ],
)
def test_tables_that_cannot_be_used(info, message, tmp_path):
    files = small_dataset() | {"info.csv": info}
    fails(write_zip(tmp_path / "table.zip", files), message)
    fails(write_folder(tmp_path / "table", files), message)


@pytest.mark.parametrize(
    "name",
    [
        "../up.mid",
        "groove/../../up.mid",
        "/etc/absolute.mid",
        "..\\up.mid",
        "C:/up.mid",
        "../notes.txt",
    ],
)
def test_a_zip_that_climbs_out(name, small):
    with zipfile.ZipFile(small, "a") as archive:
        archive.writestr(name, b"data")
    fails(small, "leads out of the data set")


def test_a_zip_with_a_symbolic_link(small, tmp_path):
    link = zipfile.ZipInfo("groove/link.mid")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(small, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert len(load_clips(small, "all")) == 10


def test_what_is_no_dataset(tmp_path):
    (tmp_path / "garbage.zip").write_bytes(b"PK\3\4" + bytes(range(256)))
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    fails(tmp_path / "garbage.zip", "not a zip")
    fails(tmp_path / "empty.zip", "not a zip")
    fails(tmp_path / "folder", "info.csv")
    fails(tmp_path / "missing.zip", "no such file")
    fails(write_zip(tmp_path / "other.zip", {"readme.txt": b"hello"}), "info.csv")
    for source in (None, 5, ["auto"]):
        with pytest.raises(ValueError, match="a name or a path"):
            load_clips(source)


def test_an_encrypted_zip(small):
    data = bytearray(small.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := data.find(signature, at + 1)) >= 0:
            data[at + flags] |= 1
    small.write_bytes(data)
    fails(small, "encrypted")


def test_a_folder_has_a_limit_too(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "data", small_dataset())
    monkeypatch.setattr(archive, "MAX_TOTAL", 500)
    with pytest.raises(ValueError, match="data: .*larger than 500 bytes"):
        dataset_files(folder)


def test_damaged_zips(small):
    whole, chance = small.read_bytes(), random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3, 10])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        small.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)
        try:
            dict(dataset_files(small))
        except ValueError as error:
            assert "small.zip" in str(error)


def test_one_huge_member(tmp_path):
    bomb = write_zip(tmp_path / "bomb.zip", small_dataset() | {"huge.mid": bytes(100_000_000)})
    with at_most(10, megabytes=50):
        fails(bomb, "larger than")


def test_many_large_members(tmp_path):
    path = write_zip(
        tmp_path / "bombs.zip", small_dataset() | {f"{i}.mid": bytes(19_000_000) for i in range(15)}
    )
    assert path.stat().st_size < 2_000_000
    with at_most(10, megabytes=150):
        try:
            load_clips(path)
        except ValueError as error:
            assert "bombs.zip" in str(error)


def test_a_midi_file_of_a_million_messages_is_not_read(tmp_path):
    body = (
        b"\0\x99\x24\x64" + b"\1\x24\0\1\x24\x64" * 500_000 + b"\1\x24\0\0\xff\x2f\0"
    )  # 3 MB: twenty times Groove's largest
    folder = write_folder(
        tmp_path / "large", small_dataset() | {FIRST: raw_midi(body, resolution=32767)}
    )
    with at_most(3):
        clips = load_clips(folder, "all")
    assert skipped(clips) == 1


def test_a_huge_file_that_is_no_zip(tmp_path):
    with open(tmp_path / "film.zip", "wb") as file:
        file.truncate(400_000_000)
    with at_most(10, megabytes=50):
        fails(tmp_path / "film.zip", "not a zip|larger")


def test_a_folder_with_odd_things_in_it(tmp_path):
    folder = write_folder(tmp_path / "odd", small_dataset())
    (folder / "gone.mid").symlink_to(tmp_path / "nowhere")
    (folder / "round").symlink_to(folder)
    (folder / "folder.mid").mkdir()
    os.mkfifo(folder / "pipe.txt")
    with at_most(10):
        assert len(load_clips(folder, "all")) == 10


# The packaged copy


def same_performances(one, other):
    "The same performances in the same order, to the bit."
    for a, b in zip(one, other, strict=True):
        assert a.info == b.info and [*map(type, a.info.values())] == [*map(type, b.info.values())]
        assert a.notes.dtype == b.notes.dtype and a.notes.tobytes() == b.notes.tobytes()
        assert a.end == b.end


def same_track(one: DrumTrack, other: DrumTrack):
    "The same track in every field."
    assert one.notes.dtype == other.notes.dtype and one.notes.tolist() == other.notes.tolist()
    for name in ("ticks_per_quarter", "tempos", "start", "end", "length"):
        assert getattr(one, name) == getattr(other, name)
        assert type(getattr(one, name)) is type(getattr(other, name))


note = st.tuples(
    st.integers(0, 60_000), st.integers(1, 65_535), st.integers(0, 127), st.integers(1, 127)
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(note, max_size=20),
            st.integers(1, 32_767),
            st.integers(1, 2**24 - 1),
            st.integers(0, 2**31),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_packing_loses_nothing(plan):
    tracks = []
    for notes, resolution, tempo, end in plan:
        array = np.array(notes, np.int64).reshape(-1, 4)
        array[:, 1] = np.cumsum(array[:, 1]) + 60_000
        array[:, 0] = array[:, 1] - 1 - array[:, 0]
        array = array[(np.diff(array[:, 1], prepend=0) < 65_536)]
        array = array[: np.argmax(np.diff(array[:, 1], prepend=0, append=2**40) > 65_535)]
        tracks.append(DrumTrack(array, resolution, [(0, tempo)], 0, end, end + 7))
    for one, other in zip(unpack_tracks(pack_tracks(tracks)), tracks, strict=True):
        same_track(one, other)


def test_what_does_not_fit_is_not_packed():
    notes = np.array([[0, 60, 36, 100]], np.int64)
    for changed in (
        dict(tempos=[(0, 500_000), (960, 400_000)]),
        dict(start=1920),
        dict(notes=notes + [0, 70_000, 0, 0]),
        dict(notes=notes + [0, 0, 300, 0]),
        dict(end=2**40),
    ):
        track = dict(notes=notes, ticks_per_quarter=480, tempos=[(0, 500_000)], start=0)
        track |= dict(end=60, length=60) | changed
        with pytest.raises(ValueError, match="several tempos, a late start, or notes too far"):
            pack_tracks([DrumTrack(**track)])


def test_the_packaged_copy():
    performances = packaged_performances()
    assert len(performances) == 1150 and sum(len(p.notes) for p in performances) == 445_494
    assert {p.info["time_signature"] for p in performances} >= {"4-4", "3-4", "6-8"}
    assert "Creative Commons Attribution 4.0" in (PACKAGED / "LICENSE").read_text()
    assert "Gillick" in (PACKAGED / "README.md").read_text()
    with np.load(PACKAGED / "notes.npz", allow_pickle=False) as packed:
        assert all(packed[name].dtype.kind == "u" for name in packed)


@needs_groove
def test_the_packaged_copy_is_the_archive():
    found = dataset_files(GROOVE)
    assert (PACKAGED / "info.csv").read_bytes() == found["info.csv"]
    read, problems = read_performances(GROOVE)
    assert not problems
    same_performances(packaged_performances(), read)
    tracks = unpack_tracks((PACKAGED / "notes.npz").read_bytes())
    for track, performance in zip(tracks, read, strict=True):
        same_track(track, read_drums(found[performance.info["midi_filename"]], ended_only=True))


@needs_groove
def test_the_script_makes_the_same_files_again(repo, tmp_path):
    command = [sys.executable, repo / "scripts" / "make_groove.py", GROOVE, "--out", tmp_path / "x"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    made = {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()}
    kept = {Path(str(path)).name: path.read_bytes() for path in PACKAGED.iterdir()}
    kept.pop("README.md")  # the data card, written by hand
    assert made == kept


# Sources


def test_groove_needs_no_network_and_no_setting(small, offline, monkeypatch, capsys):
    monkeypatch.setenv("DRUM_QTUNER_GROOVE", str(small))
    clips = load_clips()
    assert len(clips) == 16_389 and clips.origin.kind == "groove"
    assert "Groove MIDI Dataset 1.0.0" in capsys.readouterr().out
    with pytest.raises(ValueError, match="could not be downloaded .ConnectionError."):
        load_clips("download")
    with pytest.raises(ValueError, match="could not be downloaded"):
        load_clips("tfds")


def test_clips_of_groove_can_be_changed():
    first = load_clips(split="all", verbose=False)
    first.classes[:] = 0
    first.info["bpm"] = 0.0
    first.left_out.clear()
    again = load_clips(split="all", verbose=False)
    assert again.classes.max() == REST and again.info["bpm"].min() > 0 and again.left_out


def test_origins(small, tmp_path):
    origins = {
        "zip": load_clips(small).origin,
        "folder": load_clips(write_folder(tmp_path / "mine", small_dataset())).origin,
        "performances": cut(read_performances(small)[0]).origin,
    }
    for kind, origin in origins.items():
        assert (origin.kind, origin.licence) == (kind, "not known")
    assert {origin.hash for origin in origins.values()} == {origins["zip"].hash}
    assert origins["folder"].name == "mine"
    files = small_dataset()
    files["info.csv"] = files["info.csv"].replace(b",rock,120,", b",rock,121,")
    assert load_clips(write_zip(small, files)).origin.hash != origins["zip"].hash
    assert Origin(**origins["zip"].card()) == origins["zip"]


def test_groove_is_groove_by_what_it_is():
    performances = packaged_performances()
    assert cut(performances, name="mine", kind="zip").origin == load_clips(verbose=False).origin
    assert cut(performances[1:], name="mine", kind="zip").origin.kind == "zip"
    origins = [load_clips(grid=grid, verbose=False).origin for grid in ("paper", "performance")]
    assert [origin.hash for origin in origins] == list(GROOVE_HASHES.values())
    assert {origin.kind for origin in origins} == {"groove"}


def test_what_was_downloaded_is_used(small, monkeypatch):
    asked = []
    monkeypatch.setattr("pooch.retrieve", lambda *args, **options: asked.append(args) or str(small))
    assert len(load_clips("download", "all")) == 10
    assert asked[0][:2] == (GROOVE_URL, f"sha256:{GROOVE_SHA256}")


def test_a_wrong_download_is_not_used(tmp_path, monkeypatch):
    "A login page in place of the archive: the checksum tells."

    class Portal:
        def __init__(self, *args, **options):
            pass

        def __call__(self, url, output, pooch, **options):
            Path(getattr(output, "name", output)).write_bytes(b"<html>please log in</html>")

    monkeypatch.setattr("pooch.HTTPDownloader", Portal)
    with pytest.raises(ValueError, match="could not be downloaded"):
        load_clips("download")


@needs_groove
@pytest.mark.parametrize("grid", ["paper", "performance"])
def test_the_archive_and_a_folder_give_the_same_clips(grid, tmp_path):
    packaged = load_clips("auto", "all", grid)
    for source in (GROOVE, write_folder(tmp_path / "folder", dataset_files(GROOVE))):
        clips = load_clips(source, "all", grid)
        same_clips(clips, packaged)
        for split in ("train", "validation", "test"):
            same_clips(clips.split(split), load_clips("auto", split, grid))


# The paper's own road


def test_tensorflow_datasets_gives_the_same_clips(small):
    for library in ("tensorflow", "tensorflow_datasets"):
        pytest.importorskip(library, exc_type=ImportError)
    clips, direct = load_clips(f"tfds:{small}", "all"), load_clips(small, "all")
    same_clips(clips, direct, origin=False)
    assert (clips.origin.name, clips.origin.kind) == ("small.zip", "tfds")
    assert clips.origin.hash == direct.origin.hash
    with pytest.raises(ValueError, match="performance"):
        load_clips(f"tfds:{small}", grid="performance")


@needs_time
def test_all_of_groove_through_tensorflow_datasets(monkeypatch):
    monkeypatch.setenv("DRUM_QTUNER_CACHE", PREPARED)
    clips = load_clips(f"tfds:{GROOVE}", "all")
    same_clips(clips, load_clips("auto", "all"))
    for split in ("train", "validation", "test"):
        same_clips(clips.split(split), load_clips("auto", split))


def test_without_tensorflow_the_road_says_what_to_install(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ValueError, match=r'pip install "drum-qtuner\[tfds\]"'):
        load_clips(f"tfds:{small}")


def test_tfds_reads_a_zip_and_nothing_else(tmp_path):
    with pytest.raises(ValueError, match="zip"):
        load_clips(f"tfds:{write_folder(tmp_path / 'folder', small_dataset())}")
