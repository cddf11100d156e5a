"""The beat: what goes out to MIDI comes back, other libraries agree, and damaged input gets one clear error."""

import io
import os
import warnings
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest
from helpers import at_most, midi_bytes, one_note, raw_midi, varlen
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drum_qtuner import beat as beat_module
from drum_qtuner.beat import (
    CLASS_OF_PITCH,
    KIT,
    MAX_BARS,
    REST,
    START,
    STEPS_PER_BAR,
    TICKS_PER_STEP,
    Beat,
    check_classes,
    microseconds_per_quarter,
    read_drums,
    simplest_bpm,
    write_file,
)
from drum_qtuner.preprocessing import dataset_files

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


@st.composite
def velocities(draw):
    steps = STEPS_PER_BAR * draw(st.integers(1, 4))
    strokes = draw(arrays(np.bool_, (steps, 9)))
    return strokes * draw(arrays(np.uint8, (steps, 9), elements=st.integers(1, 127)))


@st.composite
def beats(draw):
    velocity = draw(velocities())
    offset = draw(
        arrays(
            np.float32, velocity.shape, elements=st.floats(-0.5, 0.5, exclude_max=True, width=32)
        )
    )
    return Beat(velocity, offset, draw(st.floats(10, 1000)))


def rock(bpm=120) -> Beat:
    "Two bars: bass drum on one and three, a late snare on two and four, closed hi-hat on eighths."
    velocity, offset = np.zeros((32, 9), np.uint8), np.zeros((32, 9))
    velocity[::8, 0], velocity[4::8, 1], velocity[::2, 6] = 110, 100, 70
    offset[4::8, 1] = 0.1
    return Beat(velocity, offset, bpm)


def file_of(beat) -> bytes:
    "The bytes that `to_midi` writes."
    return beat_module._midi_bytes(beat)


# The kit


def test_kit_is_figure_1():
    rows = [line.split("\t") for line in FIGURE_1.strip().splitlines()]
    assert len(rows) == 22
    for pitch, _, _, drum in rows:
        name, written = drum.rstrip(")").rsplit(" (", 1)
        kit_drum = KIT[CLASS_OF_PITCH[int(pitch)]]
        assert (kit_drum.name, kit_drum.pitch) == (name, int(written))
    assert sorted(CLASS_OF_PITCH) == sorted(int(row[0]) for row in rows)
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


# Round trips


@settings(deadline=None, max_examples=40)
@given(beats())
def test_midi_comes_back(beat):
    assert Beat.from_midi(file_of(beat)) == beat
    assert Beat.from_midi(beat.to_midi()) == beat


def test_midi_files_come_back(tmp_path):
    path = tmp_path / "new folder" / "rock.mid"
    beat = rock(61.5)
    midi = beat.to_midi(path)
    assert (
        Beat.from_midi(path)
        == Beat.from_midi(str(path))
        == Beat.from_midi(path.read_bytes())
        == Beat.from_midi(midi)
        == beat
    )
    assert [p.name for p in path.parent.iterdir()] == ["rock.mid"]


@given(beats())
@settings(deadline=None, max_examples=15)
def test_other_libraries_may_write_the_file_anew(beat):
    file = io.BytesIO()
    beat.to_midi().write(file)
    again = Beat.from_midi(file.getvalue())
    assert Beat(again.velocity, again.offset, beat.bpm) == beat
    assert (
        abs(microseconds_per_quarter(again.bpm) - microseconds_per_quarter(beat.bpm)) <= 1
    )  # it cuts microseconds

    file, midi = io.BytesIO(), mido.MidiFile(file=io.BytesIO(file_of(beat)))
    tempo = mido.MidiTrack([m for m in midi.tracks[0] if m.type == "set_tempo"])
    mido.MidiFile(type=1, ticks_per_beat=midi.ticks_per_beat, tracks=[tempo, midi.tracks[0]]).save(
        file=file
    )
    assert Beat.from_midi(file.getvalue()) == beat


@pytest.mark.parametrize("bars", [1, 3, 500, MAX_BARS])
def test_the_longest_beats_come_back(bars, tmp_path):
    velocity = np.zeros((16 * bars, 9), np.uint8)
    velocity[[0, -1], 0] = 100
    beat = Beat(velocity, bpm=90)
    assert Beat.from_midi(file_of(beat)) == beat
    assert Beat.from_midi(beat.to_midi(tmp_path / "long.mid")) == beat


# Other libraries agree


@settings(deadline=None, max_examples=40)
@given(beats())
def test_mido_reads_what_was_meant(beat):
    midi = mido.MidiFile(file=io.BytesIO(file_of(beat)))
    assert (midi.type, midi.ticks_per_beat, len(midi.tracks)) == (0, 4 * TICKS_PER_STEP, 1)
    assert all(m.channel == 9 for m in midi.tracks[0] if not m.is_meta)
    begin = 16 if (beat.offset[0] < 0).any() else 0  # an early first stroke needs an empty bar
    now, sounding, strokes = 0, set(), []
    for message in midi.tracks[0]:
        now += message.time
        if message.type == "note_on":
            assert message.note not in sounding and message.velocity > 0
            sounding.add(message.note)
            strokes.append((now, message.note, message.velocity))
        elif message.type == "note_off":
            sounding.remove(message.note)
        elif message.type == "text":
            assert (message.text, now) == (START, begin * TICKS_PER_STEP)
    expected = [
        (
            round((begin + step + float(beat.offset[step, drum])) * 960),
            KIT[drum].pitch,
            int(beat.velocity[step, drum]),
        )
        for step, drum in np.argwhere(beat.velocity)
    ]
    assert sorted(strokes) == sorted(expected) and not sounding
    seconds = (begin + beat.steps) * 15 / beat.bpm
    assert midi.length == pytest.approx(seconds, rel=1e-4)


@given(beats())
@settings(deadline=None, max_examples=20)
def test_pretty_midi_hears_it_at_the_right_time(beat):
    midi = beat.to_midi()
    [drums] = midi.instruments
    begin = 16 if (beat.offset[0] < 0).any() else 0
    expected = sorted(
        (
            (begin + step + float(beat.offset[step, drum])) * 15 / beat.bpm,
            KIT[drum].pitch,
            int(beat.velocity[step, drum]),
        )
        for step, drum in np.argwhere(beat.velocity)
    )
    heard = sorted((note.start, note.pitch, note.velocity) for note in drums.notes)
    assert drums.is_drum and [h[1:] for h in heard] == [e[1:] for e in expected]
    np.testing.assert_allclose(
        [h[0] for h in heard], [e[0] for e in expected], rtol=1e-4, atol=1e-6
    )
    assert midi.get_end_time() == pytest.approx((begin + beat.steps) * 15 / beat.bpm, rel=1e-4)
    assert midi.get_tempo_changes()[1].tolist() == [pytest.approx(beat.bpm, rel=1e-4)]


@pytest.mark.parametrize("bpm", [61.5, 120, 203])
def test_music21_reads_pitches_tempo_and_length(bpm, tmp_path):
    from music21 import converter, midi, tempo

    rock(bpm).to_midi(tmp_path / "rock.mid")
    file = midi.MidiFile()
    file.open(tmp_path / "rock.mid")
    file.read()
    file.close()
    [track] = file.tracks
    struck = [e for e in track.events if e.type == midi.ChannelVoiceMessages.NOTE_ON and e.velocity]
    assert {e.channel for e in struck} == {10} and file.ticksPerQuarterNote == 3840
    assert sorted(e.pitch for e in struck) == [36] * 4 + [38] * 4 + [42] * 16

    waits = [e.time if e.type == "DeltaTime" else 0 for e in track.events]
    starts = sorted(int(now) for now, e in zip(np.cumsum(waits), track.events) if e in struck)
    assert starts == sorted(
        [960 * s for s in range(0, 32, 2)]
        + [960 * s for s in range(0, 32, 8)]
        + [960 * s + 96 for s in range(4, 32, 8)]
    )

    score = converter.parse(tmp_path / "rock.mid", quantizePost=False)
    assert [mark.number for mark in score.recurse().getElementsByClass(tempo.MetronomeMark)] == [
        pytest.approx(bpm, abs=0.51)
    ]
    assert score.highestTime == 8


def test_a_rest_is_silence_and_a_sixteenth_lasts_a_sixteenth():
    midi = Beat.from_classes([9, 0] * 8, bpm=60).to_midi()
    assert [(round(n.start, 9), round(n.end, 9)) for n in midi.instruments[0].notes] == [
        ((i + 1) / 4, (i + 2) / 4) for i in range(0, 16, 2)
    ]
    assert midi.get_end_time() == pytest.approx(4)


# Reading files from elsewhere


def test_every_roland_pitch_becomes_its_drum():
    for pitch, drum in CLASS_OF_PITCH.items():
        beat = Beat.from_midi(midi_bytes([(pitch, 99, 0, 60)]))
        assert beat.velocity[0].tolist() == [99 * (i == drum) for i in range(9)]


def test_strokes_go_to_the_nearest_step():
    ticks = [
        0,
        59,
        61,
        119,
        180,
        7 * 120 + 60,
    ]  # 480 to the quarter: 120 to the step, 60 is half-way and goes up
    beat = Beat.from_midi(
        midi_bytes([(36 + 2 * i, 50 + i, tick, tick + 5) for i, tick in enumerate(ticks)]),
        dict(zip(range(36, 48, 2), range(6))),
    )
    steps, drums = np.nonzero(beat.velocity)
    assert dict(zip(drums.tolist(), steps.tolist())) == {0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 8}
    np.testing.assert_allclose(
        beat.offset[steps, drums], [0, 59 / 120, -59 / 120, -1 / 120, -0.5, -0.5], atol=1 / 1920
    )


def test_the_louder_of_two_strokes_stays():
    for first, second in [(60, 90), (90, 60)]:
        beat = Beat.from_midi(midi_bytes([(38, first, 0, 10), (40, second, 20, 30)]))
        assert beat.velocity[0, 1] == 90 and (beat.velocity > 0).sum() == 1


def test_silence_keeps_its_length():
    assert Beat.from_midi(midi_bytes([(36, 80, 0, 100)], last_tick=3 * 4 * 480)).steps == 48


def test_other_resolutions_and_running_status():
    body = (
        b"\0\x99\x26\x64"
        + varlen(24)
        + b"\x26\0"
        + varlen(24)
        + b"\x26\x50"
        + varlen(24)
        + b"\x26\0"
        + b"\0\xff\x2f\0"
    )
    beat = Beat.from_midi(
        raw_midi(body, resolution=96)
    )  # the second note on after 48 of 96 ticks: step 2
    assert np.argwhere(beat.velocity).tolist() == [[0, 1], [2, 1]] and beat.velocity[
        [0, 2], 1
    ].tolist() == [100, 80]


def test_only_the_drum_channel_is_read():
    piano = b"\0\x90\x24\x64\x60\x80\x24\x40\0\xff\x2f\0"
    assert np.argwhere(
        Beat.from_midi(raw_midi(piano, one_note(varlen(480)))).velocity
    ).tolist() == [[4, 0]]


def test_tracks_of_a_type_2_file_start_together():
    beat = Beat.from_midi(raw_midi(one_note(b"\0"), one_note(varlen(480)), kind=2))
    assert np.argwhere(beat.velocity).tolist() == [[0, 0], [4, 0]]


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


def test_unknown_pitches_are_counted():
    notes = [(56, 80, i * 480, i * 480 + 100) for i in range(3)] + [
        (39, 80, 0, 100),
        (36, 80, 0, 100),
    ]
    with pytest.warns(UserWarning, match="1 of pitch 39, 3 of pitch 56"):
        beat = Beat.from_midi(midi_bytes(notes))
    assert np.argwhere(beat.velocity).tolist() == [[0, 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played = Beat.from_midi(midi_bytes(notes), {**CLASS_OF_PITCH, 56: 8, 39: 1})
    assert (played.velocity > 0).sum(0).tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 3]


@pytest.mark.parametrize("drum", [9, -1, 0.5, "BD"])
def test_a_table_of_pitches_must_name_drums(drum):
    with pytest.raises(ValueError):
        Beat.from_midi(midi_bytes([(36, 80, 0, 100)]), {36: drum})


def silent_midi() -> bytes:
    return raw_midi(b"\0\xff\x2f\0")


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "empty"),
        (b"not a song at all", "not a MIDI file"),
        (b"RIFF" + bytes(40), "not a MIDI file"),
        (silent_midi(), "no drums"),
        (raw_midi(b"\0\x90\x24\x64\x60\x80\x24\x40\0\xff\x2f\0"), "no drums"),
        (midi_bytes([(56, 80, 0, 100)]), "none of its drum notes"),
        (raw_midi(one_note(b"\0", tempo=0)), "tempo of 0"),
        (raw_midi(one_note(b"\0", tempo=1)), "10 to 1000"),
        (raw_midi(one_note(b"\0", tempo=16_777_215)), "10 to 1000"),
        (raw_midi(one_note(b"\0"), resolution=0), "not in beats"),
        (raw_midi(one_note(b"\0"), resolution=-25 * 256 + 40), "not in beats"),
        (raw_midi(one_note(b"\xff\xff\xff\x7f")), "bars long"),
        (raw_midi(one_note(b"\0", b"\xff\xff\xff\x7f")), "bars long"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*left out notes:UserWarning")
def test_unusable_files(data, message, tmp_path):
    path = tmp_path / "broken.mid"
    path.write_bytes(data)
    for source in (data, path, str(path)):
        with at_most(2), pytest.raises(ValueError, match=message) as error:
            Beat.from_midi(source)
        assert "\n" not in str(error.value)
    assert "broken.mid" in str(error.value)


def test_paths_that_are_no_files(tmp_path):
    for path in (tmp_path / "none.mid", tmp_path):
        with pytest.raises(ValueError, match="cannot be read"):
            Beat.from_midi(path)


@pytest.mark.parametrize("source", [None, 5, io.BytesIO(b"MThd"), bytearray(b"MThd"), "a\0b.mid"])
def test_what_is_no_source(source):
    with pytest.raises(ValueError, match="path, bytes|cannot be read|MIDI"):
        Beat.from_midi(source)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(velocity=200), "velocity"),
        (dict(velocity=300), "velocity"),
        (dict(start=float("nan")), None),
        (dict(start=1e9, end=1e9 + 1), "bars long|lasts"),
        (dict(start=1e300, end=1e301), None),
    ],
)
def test_a_pretty_midi_put_together_wrongly(change, message):
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(pretty_midi.Instrument(0, is_drum=True))
    midi.instruments[0].notes.append(
        pretty_midi.Note(**dict(velocity=100, pitch=36, start=0.0, end=0.1) | change)
    )
    with at_most(2), pytest.raises(ValueError, match=message):
        Beat.from_midi(midi)


# Our reader of MIDI files gives what mido and pretty_midi give

messages = st.one_of(
    st.builds(
        mido.Message,
        st.sampled_from(["note_on", "note_off"]),
        channel=st.sampled_from([9, 9, 9, 0]),
        note=st.sampled_from([36, 38, 56]),
        velocity=st.sampled_from([0, 1, 80, 127]),
        time=st.sampled_from([0, 0, 1, 120, 300, 70_000]),
    ),
    st.builds(
        mido.Message,
        st.just("control_change"),
        channel=st.integers(0, 15),
        value=st.integers(0, 127),
        time=st.integers(0, 500),
    ),
    st.builds(
        mido.Message,
        st.just("pitchwheel"),
        channel=st.sampled_from([0, 9]),
        pitch=st.integers(-8192, 8191),
        time=st.integers(0, 500),
    ),
    st.builds(
        mido.Message,
        st.sampled_from(["program_change", "aftertouch", "polytouch"]),
        channel=st.integers(0, 15),
        time=st.integers(0, 500),
    ),
    st.builds(
        mido.Message,
        st.just("sysex"),
        data=st.lists(st.integers(0, 127), max_size=200),
        time=st.integers(0, 500),
    ),
    st.builds(
        mido.MetaMessage,
        st.just("set_tempo"),
        tempo=st.integers(100_000, 3_000_000),
        time=st.integers(0, 500),
    ),
    st.builds(
        mido.MetaMessage,
        st.sampled_from(["text", "lyrics", "marker", "cue_marker"]),
        text=st.text("abc ", max_size=300),
        time=st.integers(0, 500),
    ),
    st.builds(
        mido.MetaMessage,
        st.just("time_signature"),
        numerator=st.integers(1, 12),
        time=st.integers(0, 500),
    ),
)


def as_pretty_midi_reads(data: bytes) -> list:
    "The drum notes in ticks, sorted."
    midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    drums = [instrument for instrument in midi.instruments if instrument.is_drum]
    return sorted(
        (midi.time_to_tick(n.start), midi.time_to_tick(n.end), n.pitch, n.velocity)
        for d in drums
        for n in d.notes
    )


@given(st.lists(st.lists(messages, max_size=40), min_size=1, max_size=3))
@settings(deadline=None, max_examples=150)
@pytest.mark.filterwarnings("ignore:Tempo, Key or Time signature change events:RuntimeWarning")
def test_reads_what_pretty_midi_reads(tracks):
    tracks[0] = [
        message for track in tracks for message in track if message.type == "set_tempo"
    ] + tracks[0]
    tracks[1:] = [
        [message for message in track if message.type != "set_tempo"] for track in tracks[1:]
    ]
    file = io.BytesIO()
    mido.MidiFile(
        type=1, ticks_per_beat=96, tracks=[mido.MidiTrack(track) for track in tracks]
    ).save(file=file)
    track = read_drums(file.getvalue(), silent_is_fine=True)
    assert sorted(map(tuple, track.notes.tolist())) == as_pretty_midi_reads(file.getvalue())
    assert (np.diff(track.notes[:, 1]) >= 0).all() and track.ticks_per_quarter == 96
    assert track.length == max(sum(message.time for message in messages) for messages in tracks)


def test_a_status_byte_may_be_left_out():
    running = bytes(
        [0, 0x99, 36, 100, 60, 36, 0, 0, 0xFF, 1, 1, 65, 60, 38, 90, 60, 38, 0, 0, 0xFF, 0x2F, 0]
    )
    assert read_drums(raw_midi(running)).notes.tolist() == [[0, 60, 36, 100], [120, 180, 38, 90]]
    assert mido.MidiFile(file=io.BytesIO(raw_midi(running))).tracks[0][3].note == 38


@pytest.mark.skipif(
    "DRUM_QTUNER_GROOVE" not in os.environ, reason="DRUM_QTUNER_GROOVE names no data set"
)
@pytest.mark.filterwarnings("ignore:Tempo, Key or Time signature change events:RuntimeWarning")
def test_reads_groove_as_pretty_midi_does():
    files = {
        name: data
        for name, data in dataset_files(os.environ["DRUM_QTUNER_GROOVE"]).items()
        if name.endswith(".mid")
    }
    assert len(files) == 1150
    for name, data in files.items():
        assert sorted(map(tuple, read_drums(data).notes.tolist())) == as_pretty_midi_reads(data), (
            name
        )


# Damaged and hostile files: a ValueError or a beat, soon, and nothing else


def try_to_read(data: bytes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*left out notes that are not on the kit")
        try:
            return Beat.from_midi(data)
        except ValueError as error:
            assert str(error) and "\n" not in str(error)


def test_a_file_cut_off_at_every_length():
    whole = file_of(rock())
    read = [length for length in range(len(whole)) if try_to_read(whole[:length]) is not None]
    assert try_to_read(whole) == rock() and not read


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"MThd", b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\xff"]),
)
@settings(deadline=None, max_examples=200)
def test_random_bytes(data, head):
    try_to_read(head + data)


@given(
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    ),
    beats(),
)
@settings(deadline=None, max_examples=100)
def test_changed_bytes(changes, beat):
    data = bytearray(file_of(beat))
    for where, value in changes:
        data[int(where * len(data))] = value
    try_to_read(bytes(data))


waits = st.one_of(st.integers(0, 500), st.integers(0, 2**28 - 1), st.integers(0, 2**80)).map(varlen)
strokes = st.tuples(st.sampled_from([22, 36, 38, 56]), st.integers(1, 127), waits).map(
    lambda stroke: bytes([0x99, stroke[0], stroke[1]]) + stroke[2] + bytes([0x89, stroke[0], 0])
)
others = st.one_of(
    st.tuples(
        st.sampled_from([0x89, 0x99, 0x90, 0xB9]),
        st.sampled_from([22, 36, 38, 56]),
        st.integers(0, 127),
    ).map(bytes),
    st.integers(0, 2**24 - 1).map(lambda tempo: b"\xff\x51\x03" + tempo.to_bytes(3, "big")),
    st.sampled_from(
        [
            b"\xff\x01" + varlen(len(START)) + START.encode(),
            b"\xff\x58\x04\x04\x02\x18\x08",
            b"\xff\x2f\0",
            b"\xf0\x02\x01\xf7",
        ]
    ),
    st.binary(max_size=4),
)
bodies = st.lists(st.tuples(waits, strokes | others).map(b"".join), max_size=8).map(b"".join)


@given(
    st.lists(bodies, max_size=3),
    st.integers(0, 65535) | st.sampled_from([1, 96, 480]),
    st.integers(0, 3),
)
@settings(deadline=None, max_examples=200)
def test_files_of_odd_events(tracks, resolution, kind):
    try_to_read(raw_midi(*tracks, resolution=resolution, kind=kind))


@pytest.mark.parametrize("digits", [4, 5, 8, 9, 10, 20, 150, 1000])
@pytest.mark.parametrize("resolution", [1, 480, 32767])
def test_huge_numbers_of_ticks(digits, resolution):
    for wait, length in [
        (b"\xff" * digits + b"\x7f", b"\x60"),
        (b"\0", b"\xff" * digits + b"\x7f"),
    ]:
        with at_most(2, megabytes=20):
            try_to_read(raw_midi(one_note(wait, length), resolution=resolution))


def test_a_number_without_end():
    with at_most(2, megabytes=50):
        try_to_read(raw_midi(one_note(b"\xff" * 200_000 + b"\x7f")))


def test_lengths_that_promise_too_much():
    for data in (
        b"MThd\xff\xff\xff\xff\0\0\0\1\1\xe0",
        b"MThd\0\0\0\6\0\1\xff\xff\1\xe0MTrk\xff\xff\xff\xff",
        raw_midi(b"\0\xff\x01\xff\xff\xff\x7fabc"),
        raw_midi(b"\0\xf0\xff\xff\xff\x7f\1"),
    ):
        with at_most(2, megabytes=20):
            assert try_to_read(data) is None


def test_a_track_of_many_unfinished_notes():
    with at_most(10):
        assert (
            try_to_read(
                raw_midi(b"\0\x99\x24\x64" * 20_000 + b"\x60\x89\x24\0" + b"\0\xff\x2f\0")
            ).velocity.sum()
            == 100
        )


# Writing files


def test_write_file_replaces_whole_files(tmp_path):
    path = tmp_path / "a" / "b.bin"
    assert write_file(path, b"old") == path and path.read_bytes() == b"old"
    write_file(str(path), b"new")
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == ["b.bin"]


def disk_full(path, data):
    with open(path, "wb") as file:
        file.write(data[:2])
    raise OSError(28, "No space left on device")


def no_rename(source, target):
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    "owner, name, broken", [(Path, "write_bytes", disk_full), (os, "replace", no_rename)]
)
def test_a_failure_leaves_the_old_file(owner, name, broken, tmp_path, monkeypatch):
    path = tmp_path / "rock.mid"
    rock().to_midi(path)
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, broken)
        with pytest.raises(OSError):
            rock(99).to_midi(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["rock.mid"]


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "beats").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path / "beats", b"data")
    assert os.listdir(tmp_path) == ["beats"] and (tmp_path / "beats").is_dir()
