"""The beat: the kit of Figure 1, the paper's view of a beat, one value, and one clear error."""

import mido
import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import beats, rock, velocities

from drum_qtuner.beat import (
    CLASS_OF_PITCH,
    KIT,
    MAX_BARS,
    REST,
    TICKS_PER_STEP,
    Beat,
    check_classes,
    microseconds_per_quarter,
    simplest_bpm,
)
from drum_qtuner.grid import DRUMS

FIGURE_1 = """
36	Kick	Bass Drum 1	Bass (36)
38	Snare (Head)	Acoustic Snare	Snare (38)
40	Snare (Rim)	Electric Snare	Snare (38)
37	Snare X-Stick	Side Stick	Snare (38)
48	Tom 1	Hi-Mid Tom	High Tom (50)
50	Tom 1 (Rim)	High Tom	High Tom (50)
45	Tom 2	Low Tom	Low-Mid Tom (47)
47	Tom 2 (Rim)	Low-Mid Tom	Low-Mid Tom (47)
43	Tom 3 (Head)	High Floor Tom	High Floor Tom (43)
58	Tom 3 (Rim)	Vibraslap	High Floor Tom (43)
46	HH Open (Bow)	Open Hi-Hat	Open Hi-Hat (46)
26	HH Open (Edge)	N/A	Open Hi-Hat (46)
42	HH Closed (Bow)	Closed Hi-Hat	Closed Hi-Hat (42)
22	HH Closed (Edge)	N/A	Closed Hi-Hat (42)
44	HH Pedal	Pedal Hi-Hat	Closed Hi-Hat (42)
49	Crash 1 (Bow)	Crash Cymbal 1	Crash Cymbal (49)
55	Crash 1 (Edge)	Splash Cymbal	Crash Cymbal (49)
57	Crash 2 (Bow)	Crash Cymbal 2	Crash Cymbal (49)
52	Crash 2 (Edge)	Chinese Cymbal	Crash Cymbal (49)
51	Ride (Bow)	Ride Cymbal 1	Ride Cymbal (51)
59	Ride (Edge)	Ride Cymbal 2	Ride Cymbal (51)
53	Ride (Bell)	Ride Bell	Ride Cymbal (51)
"""


# The kit


def test_kit_is_figure_1():
    rows = [line.split("\t") for line in FIGURE_1.strip().splitlines()]
    assert len(rows) == 22
    for pitch, _, _, drum in rows:
        name, written = drum.rstrip(")").rsplit(" (", 1)
        kit_drum = KIT[CLASS_OF_PITCH[int(pitch)]]
        assert (kit_drum.name, kit_drum.pitch) == (name, int(written))
    assert sorted(CLASS_OF_PITCH) == sorted(int(row[0]) for row in rows)
    assert all(drum.pitch in drum.pitches for drum in KIT) and len(KIT) == DRUMS
    assert sum(len(drum.pitches) for drum in KIT) == 22
    assert [drum.pitch for drum in KIT] == [36, 38, 50, 47, 43, 46, 42, 49, 51] and REST == 9


def test_written_pitches_are_general_midi_names():
    names = [pretty_midi.note_number_to_drum_name(drum.pitch) for drum in KIT]
    assert names == [
        "Bass Drum 1",
        "Acoustic Snare",
        "High Tom",
        "Low-Mid Tom",
        "High Floor Tom",
        "Open Hi Hat",
        "Closed Hi Hat",
        "Crash Cymbal 1",
        "Ride Cymbal 1",
    ]


# Tempo


def test_every_whole_tempo_survives():
    assert [simplest_bpm(microseconds_per_quarter(bpm)) for bpm in range(10, 1001)] == list(
        range(10, 1001)
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(60_000, 6_000_000))
def test_tempo_is_inverted(microseconds):
    bpm = simplest_bpm(microseconds)
    assert microseconds_per_quarter(bpm) == microseconds and bpm == pytest.approx(
        mido.tempo2bpm(microseconds), rel=1e-5
    )


@pytest.mark.parametrize(
    "bpm",
    [0, -1, 9.99, 1000.01, 1e9, float("nan"), float("inf"), None, "fast", True, [120], 120 + 0j],
)
def test_absurd_tempo(bpm):
    with pytest.raises(ValueError, match="bpm must be a number from 10 to 1000"):
        Beat(np.zeros((16, 9), int), bpm=bpm)


# Classes and one-hot


@settings(deadline=None, max_examples=40)
@given(velocities())
def test_classes_are_the_loudest_drums(velocity):
    expected = [
        max(range(9), key=lambda drum: (row[drum], -drum)) if any(row) else REST
        for row in velocity.tolist()
    ]
    beat = Beat(velocity)
    assert beat.classes().tolist() == expected and beat.classes().dtype == np.uint8
    assert beat.steps == len(expected)


@settings(deadline=None, max_examples=40)
@given(velocities())
def test_one_hot_columns_hold_a_single_one(velocity):
    one_hot = Beat(velocity).one_hot()
    assert one_hot.shape == (10, len(velocity)) and one_hot.dtype == np.float32
    assert set(one_hot.ravel()) <= {0, 1} and (one_hot.sum(0) == 1).all()
    assert (one_hot.argmax(0) == Beat(velocity).classes()).all()


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 5).flatmap(
        lambda bars: st.lists(st.integers(0, 9), min_size=16 * bars, max_size=16 * bars)
    ),
    st.integers(1, 127),
)
def test_class_sequences_come_back(classes, velocity):
    beat = Beat.from_classes(classes, velocity=velocity)
    assert beat.classes().tolist() == classes
    assert set(beat.velocity.ravel()) <= {0, velocity} and not beat.offset.any()
    assert (beat.velocity > 0).sum() == sum(c != REST for c in classes)


def test_a_beat_that_is_known_by_heart():
    "A hi-hat under bass drum and snare is not in the list; the late snare is in the type alone."
    bar = [0, 9, 6, 9, 1, 9, 6, 9, 0, 9, 6, 9, 1, 9, 6, 9]
    beat, from_list = rock(bpm=92), Beat.from_classes(bar + bar, bpm=92)
    assert beat.classes().tolist() == from_list.classes().tolist() == bar + bar
    assert (beat.velocity > 0).sum() == 24 and (beat.classes() < REST).sum() == 16
    assert beat.offset[4, 1] == pytest.approx(0.1, abs=1 / 960) and not from_list.offset.any()
    assert from_list != beat and from_list == Beat.from_classes(bar + bar, bpm=92)
    assert str(beat).splitlines() == [
        "2 bars at 92 bpm",
        "CH |x.x.x.x.x.x.x.x.|x.x.x.x.x.x.x.x.|",
        "SD |....x.......x...|....x.......x...|",
        "BD |X.......X.......|X.......X.......|",
    ]
    assert str(from_list).splitlines()[-1] == "BD |x.......x.......|x.......x.......|"
    assert repr(beat) == "Beat(32 steps, 24 strokes, 92 bpm)"


# A beat is one value


@settings(deadline=None, max_examples=40)
@given(beats())
def test_what_the_type_holds_it_holds_exactly(beat):
    again = Beat(beat.velocity, beat.offset, beat.bpm)
    assert again == beat and hash(again) == hash(beat)
    assert (beat.velocity.dtype, beat.offset.dtype, type(beat.bpm)) == (np.uint8, np.float32, float)
    ticks = beat.offset * np.float64(TICKS_PER_STEP)
    np.testing.assert_allclose(ticks, ticks.round(), atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(beats(), st.integers(0, 15), st.integers(0, 8))
def test_a_difference_anywhere_makes_beats_unequal(beat, step, drum):
    velocity = beat.velocity.copy()
    velocity[step, drum] = 64 if velocity[step, drum] != 64 else 65
    assert Beat(velocity, beat.offset, beat.bpm) != beat
    assert (
        Beat(beat.velocity, beat.offset, beat.bpm / 2 if beat.bpm > 100 else beat.bpm * 2) != beat
    )
    assert beat != "a beat"


def test_a_beat_does_not_change():
    velocity = np.zeros((16, 9), np.uint8)
    beat = Beat(velocity)
    velocity[0, 0] = 100
    assert not beat.velocity.any()
    for array in (beat.velocity, beat.offset):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
    with pytest.raises(AttributeError):
        beat.bpm = 90


@settings(deadline=None, max_examples=40)
@given(beats())
def test_tab_shows_every_stroke(beat):
    header, *lines = str(beat).splitlines()
    by_name = {line[:2]: line[4:-1].replace("|", "") for line in lines}
    for i, drum in enumerate(KIT):
        assert [sign != "." for sign in by_name.get(drum.short, "." * beat.steps)] == (
            beat.velocity[:, i] > 0
        ).tolist()


# What goes wrong says so


@pytest.mark.parametrize(
    "velocity, offset, message",
    [
        (np.zeros((24, 9), int), None, "not 24 steps"),
        (np.zeros((0, 9), int), None, "not 0 steps"),
        (np.zeros((16 * (MAX_BARS + 1), 9), np.uint8), None, f"1 to {MAX_BARS} whole bars"),
        (np.zeros((9, 32), int), None, r"not \(9, 32\)"),
        (np.zeros(32, int), None, r"not \(32,\)"),
        (np.zeros((32, 9)), None, "float64"),
        (np.zeros((32, 9), bool), None, "bool"),
        (np.full((32, 9), None), None, "object"),
        (np.full((32, 9), 128), None, "0..127, not 128..128"),
        (np.full((32, 9), -1), None, "0..127, not -1"),
        (
            np.ones((32, 9), int),
            np.zeros((16, 9)),
            r"offset must be numbers of shape \(32, 9\), not \(16, 9\)",
        ),
        (np.ones((32, 9), int), np.zeros((32, 9), "U1"), "offset must be numbers"),
        (np.ones((32, 9), int), np.full((32, 9), np.nan), "offset must lie in"),
        (np.ones((32, 9), int), np.full((32, 9), 0.5), "offset must lie in"),
        (np.ones((32, 9), int), np.full((32, 9), -0.51), "offset must lie in"),
    ],
)
def test_what_is_no_beat(velocity, offset, message):
    with pytest.raises(ValueError, match=message):
        Beat(velocity, offset)


@pytest.mark.parametrize(
    "classes, message",
    [
        ([0] * 24, "not 24 steps"),
        ([0] * 31 + [10], "step 31 holds class 10"),
        ([-1] * 16, "step 0 holds class -1"),
        ([0.0] * 16, "float64"),
        ([[0] * 16], r"shape \(1, 16\)"),
        ("boom", "flat list"),
        ([], "flat list|not 0 steps"),
        ([True] * 16, "bool"),
        ([2**70] * 16, "flat list"),
        (None, "flat list"),
    ],
)
def test_what_is_no_class_sequence(classes, message):
    with pytest.raises(ValueError, match=message):
        Beat.from_classes(classes)


@pytest.mark.parametrize("velocity", [0, 128, -1, 99.5, "loud", None])
def test_what_is_no_velocity(velocity):
    with pytest.raises(ValueError, match="velocity"):
        Beat.from_classes([0] * 16, velocity=velocity)


def test_check_classes_gives_a_copy():
    given = np.arange(10, dtype=np.uint8)
    checked = check_classes(given)
    checked[0] = 5
    assert given[0] == 0 and checked.dtype == np.uint8
