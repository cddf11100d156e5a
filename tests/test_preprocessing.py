"""Preprocessing: windows and steps by hand, clips and how they are picked, the authors' array."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import row, small_dataset, write_zip
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drum_qtuner.beat import CLASS_OF_PITCH, REST, Beat
from drum_qtuner.groove import Performance, packaged_performances
from drum_qtuner.preprocessing import (
    Clips,
    cut,
    in_order,
    load_clips,
    quantise,
    why_not,
    windows,
    windows_by_step,
)


@pytest.fixture
def small(tmp_path) -> Path:
    "The small data set as a zip."
    return write_zip(tmp_path / "small.zip", small_dataset())


def performance(notes, bars, bpm=60, signature="4-4", **info) -> Performance:
    "A written performance; notes are (start, end, pitch, velocity) in seconds."
    seconds = bars * int(signature.split("-")[0]) * 60 / bpm
    return Performance(
        row(1, bpm=bpm, signature=signature) | dict(bpm=bpm) | info,
        np.array(notes, float).reshape(-1, 4),
        seconds,
    )


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


def one_by_one(performance: Performance, bar: int) -> np.ndarray:
    "One window as TFDS writes it and note_seq reads it, with plain numbers."
    info = performance.info
    bar_seconds = 60 / info["bpm"] * int(info["time_signature"].split("-")[0])
    resolution, tick = 480, 60 / (60e6 / info["microseconds"] * 480)
    begin, end = bar * bar_seconds, (bar + 2) * bar_seconds
    stretch = (round(end / tick) * tick - round(begin / tick) * tick) / (2 * bar_seconds)
    window_tick = 60 / (60 / (tick * resolution) * stretch * resolution)
    microseconds = int(60e6 / (60 / (window_tick * resolution)))
    read_tick = 60 / (60e6 / microseconds * resolution)
    steps_per_second = 4 * (60 / (read_tick * resolution)) / 60
    return np.array(
        [
            [
                round((start - begin) / window_tick) * read_tick * steps_per_second,
                round((stop - begin) / window_tick) * read_tick * steps_per_second,
                pitch,
                velocity,
            ]
            for start, stop, pitch, velocity in in_order(performance.notes).tolist()
            if start >= begin and stop <= end
        ]
    ).reshape(-1, 4)


def test_windows_are_those_of_a_plain_loop():
    for performance in packaged_performances()[::60]:
        for bar, notes in list(windows(performance))[:40]:
            np.testing.assert_array_equal(notes, one_by_one(performance, bar))


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


# Clips and how they are picked


def test_a_clip_is_a_beat(small):
    clips = load_clips(small, "all")
    for index in (0, 9, -1, np.int64(3)):
        assert clips[index] == Beat(
            clips.velocity[index], clips.offset[index], clips.info["bpm"].iloc[index]
        )
    assert len(list(clips)) == 10 and all(isinstance(beat, Beat) for beat in clips)
    for index in (10, -11):
        with pytest.raises(IndexError):
            clips[index]
    for index in (slice(2), [1], np.zeros(10, bool), clips.info["bpm"] < 0, True, 1.0, "train"):
        with pytest.raises(TypeError, match=r"one beat.*clips\.select"):
            clips[index]


def test_clips_are_selected_like_arrays(small):
    clips = load_clips(small, "all")
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
        part = clips.select(index)
        assert isinstance(part, Clips) and len(part) == len(part.info) == len(rows)
        assert part.classes.tolist() == clips.classes[rows or slice(0)].tolist()
        ids = clips.info["id"].iloc[rows].tolist()
        assert part.info["id"].tolist() == ids
        assert part.info.index.tolist() == list(range(len(rows)))
        assert part.origin == clips.origin and part.left_out == clips.left_out
    for index in ([10], np.zeros(9, bool)):
        with pytest.raises(IndexError):
            clips.select(index)


def test_splits_of_clips(small):
    clips = load_clips(small, "all")
    parts = {split: clips.split(split) for split in ("train", "validation", "test")}
    assert {split: len(part) for split, part in parts.items()} == {
        "train": 7,
        "validation": 2,
        "test": 1,
    }
    for split, part in parts.items():
        assert set(part.info["split"]) == {split} and part.origin == clips.origin
    with pytest.raises(ValueError, match="one of train, validation, test; not 'all'"):
        clips.split("all")


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


# The authors' array, always and everywhere


@pytest.fixture(scope="module")
def paper() -> Clips:
    return load_clips(split="all", verbose=False)


def test_counts(paper):
    counts = {"train": 16_389, "validation": 2_039, "test": 2_064}
    assert paper.info["split"].value_counts().to_dict() == counts
    assert {split: len(load_clips(split=split, verbose=False)) for split in counts} == counts
    assert len(paper) + sum(paper.left_out.values()) == 22_619
    train = [p for p in packaged_performances() if p.info["split"] == "train"]
    assert sum(1 for p in train for _ in windows(p)) == 18_163


def test_every_row_of_the_authors(paper):
    theirs = np.load(Path(__file__).parent / "data" / "authors_clips_first1100.npy")
    ours = Counter(clip.tobytes() for clip in paper.split("train").classes)
    assert theirs.shape == (1100, 32) and not Counter(clip.tobytes() for clip in theirs) - ours
    assert len(ours) == 15_791


def test_shares_and_losses(paper):
    train = paper.split("train")
    shares = np.bincount(train.classes.ravel(), minlength=10) / train.classes.size * 100
    np.testing.assert_allclose(
        shares, [10.4, 24.1, 2.9, 1.2, 2.2, 2.5, 18.7, 0.8, 10.6, 26.5], atol=0.051
    )
    sounding = train.classes != REST
    assert 1 - sounding.sum() / train.info["notes"].sum() == pytest.approx(0.399, abs=0.0005)
    assert ((train.velocity > 0).sum(2) >= 2).sum() / sounding.sum() == pytest.approx(
        0.45, abs=0.005
    )


def test_the_repaired_first_step(paper):
    repaired = load_clips(split="all", grid="performance", verbose=False)
    pd.testing.assert_frame_equal(repaired.info, paper.info)
    for clips, share in [(paper.split("train"), 0.54), (repaired.split("train"), 0.034)]:
        assert (clips.classes[:, 0] == REST).mean() == pytest.approx(share, abs=0.005)
        assert (clips.classes[:, 16] == REST).mean() == pytest.approx(0.024, abs=0.002)
