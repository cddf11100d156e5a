"""Preprocessing: windows and quantisation by hand, the authors' array, damaged data sets, the cache and the sources."""

import os
import random
import sys
import zipfile
from collections import Counter
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
    small_dataset,
    table,
    varlen,
    write_folder,
    write_zip,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from drum_qtuner import preprocessing
from drum_qtuner.beat import CLASS_OF_PITCH, REST, Beat
from drum_qtuner.preprocessing import *
from drum_qtuner.starter import Performance

GROOVE = os.environ.get("DRUM_QTUNER_GROOVE")
needs_groove = pytest.mark.skipif(not GROOVE, reason="DRUM_QTUNER_GROOVE names no data set")
FIRST = row(1)["midi_filename"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    "A fresh cache, and no data set but the one that a test names."
    monkeypatch.setenv("DRUM_QTUNER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DRUM_QTUNER_GROOVE", raising=False)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    return tmp_path / "cache"


@pytest.fixture
def small(tmp_path) -> Path:
    "The small data set as a zip."
    return write_zip(tmp_path / "small.zip", small_dataset())


@pytest.fixture
def offline(monkeypatch):
    "No network."

    def refuse(*args, **kwargs):
        raise ConnectionError("no network here")

    preprocessing.download.cache_clear()
    monkeypatch.setattr("pooch.retrieve", refuse)


def performance(notes, bars, bpm=60, signature="4-4", **info) -> Performance:
    "A written performance; notes are (start, end, pitch, velocity) in seconds."
    seconds = bars * int(signature.split("-")[0]) * 60 / bpm
    return Performance(
        row(1, bpm=bpm, signature=signature) | dict(bpm=bpm) | info,
        np.array(notes, float).reshape(-1, 4),
        seconds,
    )


def assert_same(one: Clips, other: Clips):
    "The same clips with the same table, to the last bit and type."
    for name in ("classes", "velocity", "offset"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype and np.array_equal(a, b), name
    pd.testing.assert_frame_equal(one.info, other.info)
    assert one.left_out == other.left_out


def skipped(clips: Clips) -> int:
    return sum(count for why, count in clips.left_out.items() if "skipped" in why)


# Windows and steps by hand: at 60 bpm a bar lasts 4 seconds, a sixteenth 0.25

FOUR_BARS = [
    (0.0, 0.1, 36, 100),  # step 0
    (3.98, 4.05, 38, 90),  # the downbeat of bar 1, 20 ms early
    (7.9, 8.1, 42, 80),  # across the end of the first window
    (7.95, 8.0, 46, 70),  # ends with the first window, and rounds to its step 32
    (12.0, 12.1, 51, 60),
]  # begins where the second window ends


def test_windows_hold_what_begins_and_ends_in_them():
    found = dict(windows(performance(FOUR_BARS, 4)))
    assert {bar: notes[:, 2].tolist() for bar, notes in found.items()} == {
        0: [36, 38, 46],
        1: [46, 42],
        2: [51],
    }
    np.testing.assert_allclose(found[0][:, 0], [0, 15.92, 31.8], atol=0.01)
    np.testing.assert_allclose(found[1][:, 0], [15.8, 15.6], atol=0.01)
    np.testing.assert_allclose(found[2][:, 0], [16], atol=0.01)


def test_windows_on_the_grid_of_the_performance():
    found = dict(windows_by_step(performance(FOUR_BARS, 4)))
    assert {bar: notes[:, 2].tolist() for bar, notes in found.items()} == {
        0: [36, 38],
        1: [38, 46, 42],
        2: [46, 42, 51],
    }
    np.testing.assert_allclose(found[1][:, 0], [-0.08, 15.8, 15.6], atol=1e-9)
    np.testing.assert_allclose(found[2][:, 0], [-0.2, -0.4, 16], atol=1e-9)


def test_clips_of_both_grids():
    expected = {
        "paper": [{0: 0, 16: 1, 31: 5}, {16: 6}, {16: 8}],
        "performance": [{0: 0, 16: 1}, {0: 1, 16: 6}, {0: 6, 16: 8}],
    }
    for grid, rows in expected.items():
        clips = cut([performance(FOUR_BARS, 4)], grid)
        assert [
            {i: c for i, c in enumerate(clip) if c != REST} for clip in clips.classes.tolist()
        ] == rows
        assert clips.info["bar"].tolist() == [0, 1, 2] and clips.left_out == {}


@pytest.mark.parametrize(
    "signature, bars, expected",
    [("4-4", 1, 0), ("4-4", 2, 1), ("4-4", 9, 8), ("3-4", 4, 3), ("6-8", 3, 2)],
)
def test_number_of_windows(signature, bars, expected):
    assert len(list(windows(performance([], bars, 97, signature)))) == expected


def test_quantise_by_hand():
    notes = np.array(
        [
            (0.49, 1, 36, 10),  # nearest step 0
            (1.5, 2, 38, 11),  # half-way: up, step 2
            (3.5, 4, 48, 12),  # step 4, not 3 and not to the even
            (5.6, 6, 38, 60),
            (6.2, 6.5, 42, 90),  # the louder one of step 6
            (8.0, 9, 51, 70),
            (8.1, 9.5, 36, 70),  # equally loud: the first to end, not the first of the kit
            (12.0, 12.5, 42, 50),
            (12.3, 12.6, 44, 80),  # one drum twice: the louder
            (14.0, 14.5, 44, 80),
            (14.3, 14.6, 42, 80),  # one drum twice, equally loud: the first to end
            (20.0, 20.5, 56, 127),
            (20.1, 20.6, 43, 1),  # a cowbell is none of the nine
            (31.5, 31.9, 46, 33),
        ]
    )  # step 32 does not exist: 31
    classes, velocity, offset = (part[1] for part in quantise([notes[:0], notes]))
    assert (classes.dtype, velocity.dtype, offset.dtype) == (np.uint8, np.uint8, np.float32)
    assert {i: c for i, c in enumerate(classes.tolist()) if c != REST} == {
        0: 0,
        2: 1,
        4: 2,
        6: 6,
        8: 8,
        12: 6,
        14: 6,
        20: 4,
        31: 5,
    }
    expected = {
        (0, 0): (10, 0.49),
        (2, 1): (11, -0.5),
        (4, 2): (12, -0.5),
        (6, 1): (60, -0.4),
        (6, 6): (90, 0.2),
        (8, 8): (70, 0),
        (8, 0): (70, 0.1),
        (12, 6): (80, 0.3),
        (14, 6): (80, 0),
        (20, 4): (1, 0.1),
        (31, 5): (33, 0.4999),
    }
    assert set(map(tuple, np.argwhere(velocity).tolist())) == set(expected)
    for cell, (loudness, late) in expected.items():
        assert velocity[cell] == loudness and offset[cell] == pytest.approx(late, abs=1e-6)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 8 * 32), st.sampled_from([22, 36, 38, 40, 51, 56]), st.integers(1, 4)
            ),
            max_size=60,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_quantise_is_a_plain_loop(clips):
    clips = [
        in_order(
            np.array(
                [(tick / 8, tick / 8 + 1, pitch, velocity) for tick, pitch, velocity in played],
                float,
            ).reshape(-1, 4)
        )
        for played in clips
    ]
    for notes, found, velocity, offset in zip(clips, *quantise(clips), strict=True):
        classes, loudest = [REST] * 32, [0] * 32
        for start, _, pitch, velocity_of_note in notes:
            step = min(int(start + 0.5), 31)
            if pitch in CLASS_OF_PITCH and velocity_of_note > loudest[step]:
                classes[step], loudest[step] = CLASS_OF_PITCH[pitch], velocity_of_note
        assert found.tolist() == classes and velocity.max(1).tolist() == loudest
        Beat(velocity, offset)  # is one
        assert ((velocity > 0).any(1) == (found != REST)).all()


def test_order_of_equally_loud_notes():
    rows = np.array(
        [(0, 2, 50, 9), (1, 1, 38, 9), (0, 1, 38, 9), (0, 1, 36, 9), (0, 1, 38, 8)], float
    )
    assert in_order(rows).tolist() == rows[[3, 4, 2, 1, 0]].tolist()


def test_why_windows_are_left_out():
    hits = [(4 * bar, 4 * bar + 0.1, 36, 90) for bar in (0, 4, 5)]
    clips = cut([performance(hits, 8), performance(hits, 4, signature="3-4")])
    assert clips.left_out == {"second bar empty": 2, "empty": 3, "not in 4/4": 3}
    assert clips.info["bar"].tolist() == [3, 4] and clips.info["notes"].tolist() == [1, 2]
    last = np.array([(15.49, 16, 36, 90)])
    assert (
        why_not(row(1), last) == "second bar empty"
        and why_not(row(1), last + [0.01, 0, 0, 0]) == ""
    )


def test_nothing_left():
    with pytest.raises(ValueError, match="not one clip"):
        cut([performance([], 4)])
    with pytest.raises(ValueError, match="grid must be 'paper' or 'performance', not 'swing'"):
        cut([performance(FOUR_BARS, 4)], "swing")


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
        clips.left_out == {"not in 4/4": 3, "second bar empty": 1} and clips.source == "small.zip"
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
    assert_same(load_clips(write_folder(tmp_path / "folder", small_dataset()), "all"), clips)


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


def test_clips_are_indexed_like_arrays(small):
    clips = load_clips(small, "all")
    for index in (0, 9, -1, np.int64(3)):
        assert clips[index] == Beat(
            clips.velocity[index], clips.offset[index], clips.info["bpm"].iloc[index]
        )
    for index, rows in [
        (slice(2, 5), [2, 3, 4]),
        (slice(None, None, -3), [9, 6, 3, 0]),
        ([4, 4, 0], [4, 4, 0]),
        (np.array([-1]), [9]),
        (clips.info["style"] == "hiphop", [9]),
        (np.arange(10) < 2, [0, 1]),
        (clips.info["bpm"] < 0, []),
        ([], []),
    ]:
        part = clips[index]
        assert isinstance(part, Clips) and len(part) == len(part.info) == len(rows)
        assert part.classes.tolist() == clips.classes[rows or slice(0)].tolist()
        assert part.info["id"].tolist() == clips.info["id"].iloc[
            rows
        ].tolist() and part.info.index.tolist() == list(range(len(rows)))
    for index in (10, -11, [10], np.zeros(9, bool)):
        with pytest.raises(IndexError):
            clips[index]
    assert len(list(clips)) == 10


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
    assert change.get("midi_filename", FIRST) in capsys.readouterr().out


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
        with pytest.raises(ValueError):
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
    monkeypatch.setattr(preprocessing, "MAX_TOTAL", 500)
    with pytest.raises(ValueError, match="data: .*larger than 500 bytes"):
        preprocessing.dataset_files(folder)


def test_damaged_zips(small):
    whole, chance = small.read_bytes(), random.Random(0)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 3, 10])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        small.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)
        try:
            dataset_files(small)
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


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(split="foo"), "split must be one of train, validation, test, all; not 'foo'"),
        (dict(split=None), "split must be"),
        (dict(grid="foo"), "grid must be"),
    ],
)
def test_options_that_do_not_exist(options, message, small):
    with pytest.raises(ValueError, match=message):
        load_clips(small, **options)


# The cache


@pytest.mark.parametrize("grid", ["paper", "performance"])
def test_the_second_time_nothing_is_read(grid, small, own_cache, monkeypatch):
    first = load_clips(small, "all", grid)
    monkeypatch.setattr(preprocessing, "read_performances", lambda *_: pytest.fail("read again"))
    assert_same(load_clips(small, "all", grid), first)
    assert len(list(own_cache.iterdir())) == 1


def test_other_bytes_are_read_again(small, tmp_path, own_cache):
    before = load_clips(small, "all")
    files = small_dataset()
    files[FIRST] = midi_bytes([(51, 33, tick, tick + 60) for tick in range(0, 4 * 1920, 480)])
    after = load_clips(write_zip(small, files), "all")
    assert set(after[0].classes()) == {8, REST} and set(before[0].classes()) == {0, 1, 6, REST}
    folder = write_folder(tmp_path / "folder", small_dataset())
    assert_same(load_clips(folder, "all"), before)
    write_folder(folder, files)
    assert_same(load_clips(folder, "all"), after)


def test_another_kit_is_read_again(small, monkeypatch):
    assert 0 in load_clips(small, "all").classes
    monkeypatch.setitem(CLASS_OF_PITCH, 36, 8)
    assert 0 not in load_clips(small, "all").classes


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"garbage",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-30],
    ],
)
def test_a_damaged_cache_is_made_again(damage, small, own_cache):
    first = load_clips(small, "all")
    [kept] = own_cache.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert_same(load_clips(small, "all"), first)
    with np.load(kept) as saved:
        assert len(saved["classes"]) == 10


def test_a_cache_with_changed_bytes(small, own_cache, capsys):
    first, chance = load_clips(small, "all"), random.Random(0)
    [kept] = own_cache.iterdir()
    whole = kept.read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        data[chance.randrange(len(data))] = chance.randrange(256)
        kept.write_bytes(data)
        assert_same(preprocessing.load_clips(small, "all"), first)


def test_a_cache_that_cannot_be_written_only_says_so(small, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("DRUM_QTUNER_CACHE", str(tmp_path / "file" / "cache"))
    assert len(load_clips(small, "all")) == 10
    assert "kept for next time" in capsys.readouterr().out


# Sources


def test_the_environment_names_the_dataset(small, tmp_path, monkeypatch, offline):
    monkeypatch.setenv("DRUM_QTUNER_GROOVE", str(small))
    clips = load_clips(split="all")
    assert len(clips) == 10 and "DRUM_QTUNER_GROOVE" in clips.source
    monkeypatch.setenv("DRUM_QTUNER_GROOVE", str(tmp_path / "typo.zip"))
    with pytest.raises(ValueError, match="typo.zip"):
        load_clips()


def test_without_a_network_the_starter_corpus_says_why(offline, capsys):
    clips = load_clips()
    assert "starter" in clips.source and "ConnectionError" in clips.source
    assert clips.source in capsys.readouterr().out
    assert_same(clips, load_clips("starter"))
    with pytest.raises(ValueError, match="could not be downloaded"):
        load_clips("download")


def test_what_was_downloaded_is_used(small, monkeypatch):
    preprocessing.download.cache_clear()
    asked = []
    monkeypatch.setattr("pooch.retrieve", lambda *args, **options: asked.append(args) or str(small))
    assert len(load_clips(split="all")) == len(load_clips("download", "all")) == 10
    assert asked[0][:2] == (GROOVE_URL, f"sha256:{GROOVE_SHA256}")
    preprocessing.download.cache_clear()


def test_a_wrong_download_is_not_used(tmp_path, monkeypatch):
    "A login page in place of the archive: the checksum tells."
    page = tmp_path / "page.html"
    page.write_text("<html>please log in</html>")

    class Portal:
        def __init__(self, *args, **options):
            pass

        def __call__(self, url, output, pooch, **options):
            Path(getattr(output, "name", output)).write_bytes(page.read_bytes())

    preprocessing.download.cache_clear()
    monkeypatch.setattr("pooch.HTTPDownloader", Portal)
    with pytest.raises(ValueError, match="could not be downloaded"):
        load_clips("download")
    assert "starter" in load_clips(verbose=False).source


def test_the_starter_corpus():
    clips = load_clips("starter", "all")
    assert len(clips) >= 2_000 and clips.info["style"].str.split("/").str[0].nunique() >= 10
    assert (
        set(clips.info["split"]) == {"train", "validation", "test"}
        and clips.info.groupby("id")["split"].nunique().max() == 1
    )
    assert (
        len(np.unique(clips.velocity)) > 50 and 0.02 < clips.offset[clips.velocity > 0].std() < 0.3
    )
    assert_same(cut(preprocessing.starter_performances()), load_clips("starter", "all"))


# The authors' array


@pytest.fixture(scope="module")
def performances():
    read, problems = read_performances(GROOVE)
    assert len(read) == 1150 and not problems
    return read


@pytest.fixture(scope="module")
def paper(performances):
    return cut(performances)


@needs_groove
def test_counts(performances, paper):
    assert paper.info["split"].value_counts().to_dict() == {
        "train": 16_389,
        "validation": 2_039,
        "test": 2_064,
    }
    assert len(paper) + sum(paper.left_out.values()) == 22_619
    assert sum(1 for p in performances if p.info["split"] == "train" for _ in windows(p)) == 18_163


@needs_groove
def test_every_row_of_the_authors(paper):
    theirs = np.load(Path(__file__).parent / "data" / "authors_clips_first1100.npy")
    ours = Counter(clip.tobytes() for clip in paper.classes[paper.info["split"] == "train"])
    assert theirs.shape == (1100, 32) and not Counter(clip.tobytes() for clip in theirs) - ours
    assert len(ours) == 15_791


@needs_groove
def test_shares_and_losses(paper):
    train = paper[paper.info["split"] == "train"]
    shares = np.bincount(train.classes.ravel(), minlength=10) / train.classes.size * 100
    np.testing.assert_allclose(
        shares, [10.4, 24.1, 2.9, 1.2, 2.2, 2.5, 18.7, 0.8, 10.6, 26.5], atol=0.051
    )
    sounding = train.classes != REST
    assert 1 - sounding.sum() / train.info["notes"].sum() == pytest.approx(0.399, abs=0.0005)
    assert ((train.velocity > 0).sum(2) >= 2).sum() / sounding.sum() == pytest.approx(
        0.45, abs=0.005
    )


@needs_groove
def test_the_repaired_first_step(performances, paper):
    repaired = cut(performances, "performance")
    pd.testing.assert_frame_equal(repaired.info, paper.info)
    train = (paper.info["split"] == "train").to_numpy()
    for clips, share in [(paper, 0.54), (repaired, 0.034)]:
        assert (clips.classes[train, 0] == REST).mean() == pytest.approx(share, abs=0.005)
        assert (clips.classes[train, 16] == REST).mean() == pytest.approx(0.024, abs=0.002)


# The paper's own route


def test_tensorflow_datasets_gives_the_same_clips(small, tmp_path, monkeypatch):
    for library in ("tensorflow", "tensorflow_datasets"):
        pytest.importorskip(library, exc_type=ImportError)
    direct = load_clips(small, "all")
    assert_same(collect(tfds_windows(tfds_builder(small, tmp_path / "prepared"))), direct)
    monkeypatch.setenv("DRUM_QTUNER_GROOVE", str(small))
    monkeypatch.setattr(
        preprocessing, "tfds_builder", lambda archive: tfds_builder(archive, tmp_path / "prepared")
    )
    clips = load_clips("tfds", "all")
    assert_same(clips, direct)
    assert "TensorFlow Datasets" in clips.source
    with pytest.raises(ValueError, match="performance"):
        load_clips("tfds", grid="performance")


def test_without_tensorflow_the_route_says_what_to_install(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.setenv("DRUM_QTUNER_GROOVE", str(small))
    with pytest.raises(ValueError, match=r"pip install 'drum_qtuner\[tfds\]'"):
        load_clips("tfds")


def test_tfds_reads_a_zip_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv(
        "DRUM_QTUNER_GROOVE", str(write_folder(tmp_path / "folder", small_dataset()))
    )
    with pytest.raises(ValueError, match="zip"):
        load_clips("tfds")
