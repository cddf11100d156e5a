"""MIDI: what goes out comes back, other libraries agree, and damaged input gets one clear error."""

import io
import os
import re
import warnings

import mido
import numpy as np
import pretty_midi
import pytest
from helpers import at_most, midi_bytes, one_note, raw_midi, varlen
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import beats, rock

from drum_qtuner.archive import dataset_files
from drum_qtuner.bars import in_bars
from drum_qtuner.beat import (
    CLASS_OF_PITCH,
    KIT,
    MAX_BARS,
    TICKS_PER_STEP,
    Beat,
    microseconds_per_quarter,
)
from drum_qtuner.maps import MAPS, pitch_map
from drum_qtuner.midi import _midi_bytes as file_of
from drum_qtuner.midi_file import START, DrumTrack, read_drums, write_drums

pytestmark = pytest.mark.filterwarnings("ignore:.*(off the grid|no drum is struck):UserWarning")

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


@st.composite
def tracks(draw):
    "Drum tracks as `write_drums` takes them: no drum is struck while it sounds."
    rows, pitches = [], draw(st.lists(st.integers(0, 127), unique=True, max_size=4))
    for pitch in pitches:
        ticks = sorted(draw(st.sets(st.integers(0, 5000), max_size=12)))
        for on, off in zip(ticks[::2], ticks[1::2]):
            rows.append((on, off, pitch, draw(st.integers(1, 127))))
    start, tempos = draw(st.sampled_from([0, 1920])), [(0, draw(st.integers(1, 2**24 - 1)))]
    if draw(st.booleans()):
        tempos.append((draw(st.integers(1, 5000)), draw(st.integers(1, 2**24 - 1))))
    notes = np.array(rows, np.int64).reshape(-1, 4)
    return DrumTrack(notes, draw(st.integers(1, 32767)), tempos, start, 5000, 5000)


@settings(deadline=None, max_examples=40)
@given(tracks())
def test_any_track_comes_back(track):
    data = write_drums(track)
    back = read_drums(data)
    assert sorted(back.notes.tolist()) == sorted(track.notes.tolist())
    assert (back.ticks_per_quarter, back.tempos) == (track.ticks_per_quarter, track.tempos)
    assert (back.start, back.end, back.length) == (track.start, track.end, track.length)
    assert mido.MidiFile(file=io.BytesIO(data)).ticks_per_beat == track.ticks_per_quarter


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
        map=dict(zip(range(36, 48, 2), range(6))),
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


# Nothing is lost without a word


def said(source, **options) -> tuple[Beat, str]:
    "The beat in a file, and all that was said while it was read."
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        beat = Beat.from_midi(source, **options)
    return beat, "\n".join(str(warning.message) for warning in caught)


def hits(*ticks: int, length: int, signatures=(), pitch: int = 36, off: int = 20) -> bytes:
    "Strokes at some ticks, 480 to the quarter note, in a file that ends at `length`; by mido."
    events = [(tick, 2, mido.Message("note_on", channel=9, note=pitch)) for tick in ticks]
    events += [(tick + off, 1, mido.Message("note_off", channel=9, note=pitch)) for tick in ticks]
    events += [
        (tick, 0, mido.MetaMessage("time_signature", numerator=top, denominator=bottom))
        for tick, top, bottom in signatures
    ]
    events.append((length, 3, mido.MetaMessage("end_of_track")))
    track, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(file=(file := io.BytesIO()))
    return file.getvalue()


DOWN, UP, END = b"\x99\x24\x64", b"\x89\x24\x40", b"\0\xff\x2f\0"
QUARTER = varlen(480)


@pytest.mark.parametrize(
    "body",
    [
        b"\0" + DOWN + b"\0" + UP + QUARTER + DOWN + b"\0" + UP,  # up in the tick of the down
        b"\0" + DOWN + QUARTER + DOWN,  # never up, to the end of the track
        b"\0" + DOWN + QUARTER + DOWN + b"\x60\xb9\x7b\0",  # all notes off
        b"\0" + DOWN + QUARTER + DOWN + b"\x60" + UP,  # one up for two
        b"\0" + DOWN + QUARTER + UP + b"\0" + DOWN + b"\0" + UP,  # up, down and up in one tick
        b"\0" + DOWN + QUARTER + DOWN + b"\0" + UP,  # the up of the first comes after the second
        b"\0\x99\x24\x64" + QUARTER + b"\x24\x64\x60\x24\0",  # running status, velocity 0
    ],
)
def test_a_stroke_is_a_stroke_whatever_ends_it(body):
    beat, words = said(raw_midi(body + END))
    assert np.argwhere(beat.velocity).tolist() == [[0, 0], [4, 0]] and not words


def test_what_does_not_fit_is_counted():
    _, words = said(hits(*range(0, 1800, 60), length=1920))  # 32nds: two in each sixteenth
    assert "left out 14 of 30 strokes" in words and "15 of 30 strokes are up to 0.50 of" in words
    _, words = said(hits(*range(0, 1920, 160), length=1920))  # triplets of eighths
    assert "8 of 12 strokes are up to 0.33 of a sixteenth off the grid" in words
    assert not said(hits(*range(0, 1920, 120), length=1920))[1]
    assert not said(hits(5, 470, 990, 1435, length=1920))[1]  # played by a person


@pytest.mark.parametrize(
    "ticks, length, steps, first",
    [
        ([0, 960, 1880], 1920, 16, -40),  # a bar, and its downbeat again 40 ticks before the end
        ([960, 1880], 1920, 16, -40),  # the only downbeat is the early one
        ([0, 960, 1880], 2400, 32, 0),  # music goes on: it is the downbeat of the second bar
        ([0, 960, 1920], 1940, 32, 0),  # on the barline: the second bar begins
        ([0, 960, 1840], 1920, 16, 0),  # nearer to the last sixteenth
        ([0, 960, 3800], 3840, 32, -40),
        ([0, 960, 1880, 3800], 3840, 32, -40),
    ],
)
def test_an_early_downbeat_makes_no_bar_of_its_own(ticks, length, steps, first):
    beat, words = said(hits(*ticks, length=length))
    assert beat.steps == steps and ("downbeat of the loop" in words) == (first < 0)
    shared = "another of their drum" in words
    assert (beat.velocity > 0).sum() + shared == len(ticks)
    if not shared:
        assert beat.offset[0, 0] * 120 == pytest.approx(first, abs=0.1)


def test_a_tempo_may_be_chosen():
    data = hits(0, 480, length=1920)
    assert Beat.from_midi(data, bpm=77).bpm == 77
    with pytest.raises(ValueError, match="10 to 1000"):
        Beat.from_midi(data, bpm=5)


# Bars


def bars_of(top: int, bottom: int, bars: int) -> bytes:
    "Quarters or eighths in a metre, the bass drum on each downbeat."
    beat = 1920 // bottom
    return hits(
        *range(0, bars * top * beat, top * beat),
        length=bars * top * beat,
        signatures=[(0, top, bottom)],
    )


@pytest.mark.parametrize("top, bottom, bars", [(4, 4, 3), (2, 2, 3), (2, 4, 6), (8, 8, 2)])
def test_bars_that_fit_are_read_as_they_are(top, bottom, bars):
    beat, words = said(bars_of(top, bottom, bars))
    length = 16 * top // bottom
    assert np.flatnonzero(beat.velocity[:, 0]).tolist() == list(range(0, bars * length, length))
    assert beat.steps == bars * length
    assert ("read as 4/4" in words) == (length != 16)


@pytest.mark.parametrize(
    "top, bottom, room", [(3, 4, 16), (6, 8, 16), (7, 8, 16), (12, 8, 32), (5, 4, 32)]
)
def test_other_bars_are_an_error_or_read_on_request(top, bottom, room):
    data = bars_of(top, bottom, 4)
    with pytest.raises(ValueError, match=rf"is in {top}/{bottom}, .*fit_bars=True .--fit-bars."):
        Beat.from_midi(data)
    beat, words = said(data, fit_bars=True)
    assert np.flatnonzero(beat.velocity[:, 0]).tolist() == [0, room, 2 * room, 3 * room]
    assert beat.steps == 4 * room and f"is in {top}/{bottom}: each of its bars" in words
    heard = pretty_midi.PrettyMIDI(io.BytesIO(data))
    assert heard.get_downbeats().tolist() == [note.start for note in heard.instruments[0].notes]
    with pytest.raises(ValueError, match=f"is in {top}/{bottom}"):
        Beat.from_midi(heard)


def test_a_bar_of_two_quarters_shifts_all_that_follow():
    signatures = [(0, 4, 4), (1920, 2, 4), (2880, 4, 4)]
    data = hits(0, 1920, 2880, 4800, length=6720, signatures=signatures)
    with pytest.raises(
        ValueError, match="is in 4/4, from quarter note 5 in 2/4, from quarter note 7"
    ):
        Beat.from_midi(data)
    beat, _ = said(data, fit_bars=True)
    assert np.flatnonzero(beat.velocity[:, 0]).tolist() == [0, 16, 32, 48]
    assert said(hits(0, 960, length=6720, signatures=signatures))[1] == ""  # silent from there on


def test_a_pick_up_leads_into_the_downbeat():
    data = hits(0, 480, 2400, length=4320, signatures=[(0, 1, 4), (480, 4, 4)])
    with pytest.raises(ValueError, match="is in 1/4, from quarter note 2 in 4/4"):
        Beat.from_midi(data)
    beat, _ = said(data, fit_bars=True)
    assert np.flatnonzero(beat.velocity[:, 0]).tolist() == [12, 16, 32] and beat.steps == 48


def test_signatures_that_say_nothing_new():
    "Repeated on barlines, a tick late, or after the last stroke."
    marks = [(1, 4, 4), (1920, 4, 4), (3840, 4, 4), (5000, 3, 4)]
    assert said(hits(0, 1920, 3840, length=5760, signatures=marks))[1] == ""
    late = hits(0, 1440, 2880, length=4320, signatures=[(1, 3, 4)])
    with pytest.raises(ValueError, match="is in 3/4, and"):
        Beat.from_midi(late)


@given(
    st.lists(
        st.tuples(st.sampled_from([3, 5, 7]), st.sampled_from([2, 4, 8, 16]), st.integers(1, 3)),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None, max_examples=40)
def test_every_downbeat_stays_a_downbeat(plan):
    "In any row of odd metres, pretty_midi's downbeats open a bar of ours, and in their order."
    tick, downbeats, signatures = 0, [], []
    for top, bottom, bars in plan:
        signatures.append((tick, top, bottom))
        downbeats += [tick + i * top * 1920 // bottom for i in range(bars)]
        tick += bars * top * 1920 // bottom
    data = hits(*downbeats, length=tick, signatures=signatures)
    heard = pretty_midi.PrettyMIDI(io.BytesIO(data)).get_downbeats()
    np.testing.assert_allclose(heard[: len(downbeats)], np.array(downbeats) / 960, atol=1e-6)
    position, length, _ = in_bars(read_drums(data), fit_bars=True)
    assert (np.diff(position) > 0).all() and length > position[-1]
    assert (position[1:] % 16 == 0).all() and 0 <= position[0] < 16


# Maps and channels


def test_every_sound_of_general_midi_has_a_drum():
    sounds = [pitch for pitch in range(128) if pretty_midi.note_number_to_drum_name(pitch)]
    assert len(sounds) == 47
    for pitch in sounds:
        beat, words = said(midi_bytes([(pitch, 99, 0, 60)]))
        assert (beat.velocity > 0).sum() == 1 and not words
    wanted = {35: 0, 36: 0, 39: 1, 41: 4, 43: 4, 54: 6, 56: 8}
    assert {pitch: MAPS["roland+gm"][pitch] for pitch in wanted} == wanted
    assert {pitch: MAPS["gm"][pitch] for pitch in wanted} == wanted
    assert MAPS["roland"] == CLASS_OF_PITCH


@given(beats())
@settings(deadline=None, max_examples=15)
def test_beats_are_written_to_either_map_and_come_back(beat):
    pitches = {"gm": [36, 38, 50, 47, 43, 46, 42, 49, 51]}
    pitches["roland"] = [36, 38, 48, 45, 43, 46, 42, 49, 51]  # heads and bows, by Figure 1
    for map, numbers in pitches.items():
        data = file_of(beat, map)
        struck = {
            m.note for m in mido.MidiFile(file=io.BytesIO(data)).tracks[0] if m.type == "note_on"
        }
        assert struck == {numbers[drum] for drum in np.flatnonzero(beat.velocity.any(0))}
        assert Beat.from_midi(data, map=map) == Beat.from_midi(data) == beat
    assert file_of(beat, "gm") == file_of(beat)


def test_a_map_from_a_file(tmp_path):
    path = tmp_path / "kit.txt"
    path.write_text("# my kit\ngm\n20, Open Hi-Hat\n35 SD\n", encoding="utf-8")
    assert pitch_map(path) == MAPS["gm"] | {20: 5, 35: 1}
    beat = Beat.from_midi(midi_bytes([(20, 80, 0, 60), (35, 90, 480, 500)]), map=str(path))
    assert np.argwhere(beat.velocity).tolist() == [[0, 5], [4, 1]]
    small = rock().to_midi(map={30: "BD", 31: "SD", 32: "CH"})
    assert {note.pitch for note in small.instruments[0].notes} == {30, 31, 32}
    with pytest.raises(ValueError, match="no pitch for the Closed Hi-Hat"):
        rock().to_midi(map={36: 0, 38: 1})
    for text, words in (("35 tuba", "kit.txt: a map puts"), ("", "without a single pitch")):
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            Beat.from_midi(midi_bytes([(36, 80, 0, 60)]), map=path)
    for map, words in (
        ("general", "none of roland.gm, roland, gm"),
        (3, "a name, a file or a dict"),
    ):
        with pytest.raises(ValueError, match=words):
            Beat.from_midi(midi_bytes([(36, 80, 0, 60)]), map=map)


def test_drums_on_another_channel():
    drums = b"\0\x90\x24\x64\x60\x80\x24\x40"
    data = raw_midi(drums + END, one_note(QUARTER))
    assert np.argwhere(Beat.from_midi(data, channel=1).velocity).tolist() == [[0, 0]]
    assert np.argwhere(Beat.from_midi(data).velocity).tolist() == [[4, 0]]
    with pytest.raises(ValueError, match="no note on channel 3; notes are on channels 1, 10"):
        Beat.from_midi(data, channel=3)
    for channel in (0, 17, "10", 1.5):
        with pytest.raises(ValueError, match="channel must be"):
            Beat.from_midi(data, channel=channel)
    with pytest.raises(ValueError, match="is_drum=True"):
        Beat.from_midi(rock().to_midi(), channel=1)


# Damage


def test_damage_is_named_and_read_around():
    loud = b"\0\xb0\x07\xff"  # volume 255
    negative = b"\0\x99\x26\x64" + b"\xff" * 9 + b"\x7f" + DOWN
    whole = b"\0" + DOWN + b"\x60" + UP
    for body, words in [
        (loud + whole + END, "a byte above 127"),
        (whole + b"\0\x99\x26", "a message that is cut short"),
        (whole + negative + END, "a number of more than four bytes, as a negative"),
        (whole + b"\0\xff\x01\x50abc", "a text that is cut short"),
        (b"\0\xff\x51\3\0\0\0" + whole + END, "a tempo of 0"),
        (b"\0\xff\x58\4\0\2\x18\x08" + whole + END, "a time signature of 0 notes"),
        (b"\0\xf8\0\xf2\1\2" + whole + END, "a message 0xf8, which no file holds"),
        (b"\0\x24\x64" + END, "a message that does not say what it is"),
    ]:
        data = raw_midi(body)
        with pytest.raises(
            ValueError, match=f"damaged MIDI file .{words}.*strict=False .--lenient"
        ):
            Beat.from_midi(data)
        if "\\x99" not in repr(body):
            continue
        beat, told = said(data, strict=False)
        assert beat.velocity[0, 0] == 100 and f"damaged: {words}" in told
        assert (beat.velocity > 0).sum() == 1 + (b"\x99\x26\x64" in body)
    data = file_of(rock())
    beat, told = said(data[:200], strict=False)
    assert 0 < (beat.velocity > 0).sum() < (rock().velocity > 0).sum() and "track 1 of 1" in told
    beat, told = said(b"junk" + data, strict=False)
    assert beat == rock() and "4 bytes before its header" in told
    with pytest.raises(ValueError, match="damaged MIDI file .4 bytes before its header"):
        Beat.from_midi(b"junk" + data)


@pytest.mark.filterwarnings("ignore:.*of its bars is a bar:UserWarning")
def test_a_waltz_by_music21(tmp_path):
    from music21 import instrument, meter, note, stream, tempo

    part = stream.Part([instrument.BassDrum(), meter.TimeSignature("3/4")])
    part.insert(0, tempo.MetronomeMark(number=90))
    for i in range(12):
        part.append(note.Note(38 if i % 3 else 36, quarterLength=1))
    with pytest.raises(ValueError, match="not from a music21 Part: give its path, or save it"):
        Beat.from_midi(part)
    part.write("midi", tmp_path / "waltz.mid")
    with pytest.raises(ValueError, match="waltz.mid: is in 3/4"):
        Beat.from_midi(tmp_path / "waltz.mid")
    beat = Beat.from_midi(tmp_path / "waltz.mid", fit_bars=True)
    assert np.flatnonzero(beat.velocity[:, 0]).tolist() == [0, 16, 32, 48] and beat.bpm == 90
    assert (beat.velocity > 0).sum() == 12


def test_objects_of_other_libraries_are_refused_in_a_line():
    "mido's, and what others look like: instruments without a clock, tracks."
    song = mido.MidiFile(file=io.BytesIO(file_of(rock())))
    kinds = [type("MidiFile", (), dict(instruments=[], ticks_per_beat=480)), type("Score", (), {})]
    for source in (song, *(kind() for kind in kinds)):
        with pytest.raises(ValueError, match="a path, bytes or a PrettyMIDI, not from a") as error:
            Beat.from_midi(source)
        assert len(str(error.value)) < 200 and "\n" not in str(error.value)
    for source, instead in ((song, ".save(path)"), (io.BytesIO(b"MThd"), "that its .read()")):
        with pytest.raises(ValueError, match=re.escape(instead)):
            Beat.from_midi(source)


# What goes wrong says so


def test_unknown_pitches_are_counted():
    notes = [(56, 80, i * 480, i * 480 + 100) for i in range(3)]
    data = midi_bytes([*notes, (39, 80, 0, 100), (36, 80, 0, 100)])
    with pytest.warns(UserWarning, match="1 of pitch 39, 3 of pitch 56"):
        beat = Beat.from_midi(data, map="roland")
    assert np.argwhere(beat.velocity).tolist() == [[0, 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for map in ("roland+gm", {**CLASS_OF_PITCH, 56: "RC", 39: 1}):
            played = Beat.from_midi(data, map=map)
            assert (played.velocity > 0).sum(0).tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 3]


@pytest.mark.parametrize("drum", [9, -1, 0.5, "tuba", None])
def test_a_map_must_name_drums(drum):
    with pytest.raises(ValueError, match="BD, SD"):
        Beat.from_midi(midi_bytes([(36, 80, 0, 100)]), map={36: drum})


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
        (midi_bytes([(90, 80, 0, 100)]), "none of its drum notes"),
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


def test_chunks_that_nobody_knows_are_skipped_and_riff_is_unwrapped():
    data = midi_bytes([(36, 80, 0, 100)])
    wanted = Beat.from_midi(data)
    strange = b"Junk" + (4).to_bytes(4, "big") + b"abcd"
    assert Beat.from_midi(data[:14] + strange + data[14:]) == wanted
    assert Beat.from_midi(data + strange) == wanted
    for more in (b"", b"LISTabc"[:4] + (3).to_bytes(4, "little") + b"xyz\0"):
        inside = b"RMID" + more + b"data" + len(data).to_bytes(4, "little") + data
        assert Beat.from_midi(b"RIFF" + len(inside).to_bytes(4, "little") + inside) == wanted


def test_music_on_other_channels_is_named():
    piano = b"\0\x90\x24\x64\x60\x80\x24\x40"
    reset = b"\0\xb9\x79\x00"  # channel 10 has a controller and no note
    for track in (piano, reset + piano):
        with pytest.raises(ValueError, match="no note on channel 10; notes are on channel 1: "):
            Beat.from_midi(raw_midi(track + b"\0\xff\x2f\0"))
    silent = Beat(np.zeros((16, 9), int))
    with pytest.warns(UserWarning, match="no drum is struck in it"):
        assert Beat.from_midi(file_of(silent)) == silent  # no note anywhere: a silent beat


JUNK = b"XFIH\0\0\0\3abc"


@pytest.mark.parametrize(
    "change, strokes",
    [
        (lambda head, first, second: JUNK + head + first + second, 2),
        (lambda head, first, second: head + first + JUNK + JUNK + second + JUNK, 2),
        (lambda head, first, second: head[:11] + b"\3" + head[12:] + first + JUNK + second, 2),
        (lambda head, first, second: head[:11] + b"\1" + head[12:] + first + second, 2),
        (lambda head, first, second: head + first + second + JUNK[:-1] + b"\r\n", 2),
        (lambda head, first, second: b"\0" * 128 + head + first + second, 2),
    ],
)
def test_every_track_is_read_whatever_stands_around(change, strokes):
    "Chunks that nobody knows, counted or not; a header that counts too few tracks; a Mac's."
    data = raw_midi(one_note(b"\0"), one_note(b"\x83\x60"))
    at = data.index(b"MTrk", 20)
    beat, told = said(change(data[:14], data[14:at], data[at:]))
    assert (beat.velocity > 0).sum() == strokes and not told


def test_the_tempo_is_that_of_the_first_stroke():
    "A default before a tempo at tick 1 does not count, nor does the bar that sets up."
    late = b"\1\xff\x51\3\x09\x27\xc0"  # 600,000 microseconds a quarter: 100 bpm
    stroke, end = b"\x83\x60\x99\x24\x64\x60\x89\x24\x40", b"\0\xff\x2f\0"
    assert Beat.from_midi(raw_midi(late + stroke + end)).bpm == 100
    assert (
        said(raw_midi(late + end, b"\0" + stroke[2:] + end))[0].bpm == 100
    )  # strokes from tick 0 on
    with pytest.warns(UserWarning, match="changes between 100 and 120 bpm; .* stroke, 120 bpm"):
        assert Beat.from_midi(raw_midi(stroke + late + end)).bpm == 120


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
    track = read_drums(file.getvalue(), silent_is_fine=True, ended_only=True)
    assert sorted(map(tuple, track.notes.tolist())) == as_pretty_midi_reads(file.getvalue())
    assert (np.diff(track.notes[:, 1]) >= 0).all() and track.ticks_per_quarter == 96
    assert track.length == max(sum(message.time for message in messages) for messages in tracks)


@given(st.lists(st.lists(messages, max_size=40), min_size=1, max_size=3))
@settings(deadline=None, max_examples=60)
def test_every_note_on_is_a_stroke(tracks):
    "Whatever the messages are, the strokes are the note-ons that mido finds on channel 10."
    file = io.BytesIO()
    mido.MidiFile(
        type=1, ticks_per_beat=96, tracks=[mido.MidiTrack(track) for track in tracks]
    ).save(file=file)
    expected = []
    for track in mido.MidiFile(file=io.BytesIO(file.getvalue())).tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on" and message.channel == 9 and message.velocity:
                expected.append((now, message.note, message.velocity))
    track = read_drums(file.getvalue(), silent_is_fine=True)
    assert sorted(map(tuple, track.notes[:, [0, 2, 3]].tolist())) == sorted(expected)
    assert (track.notes[:, 1] >= track.notes[:, 0]).all() and track.end <= track.length


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
    "Every fourth file: all are equal, but pretty_midi takes half a minute for them."
    files = dataset_files(os.environ["DRUM_QTUNER_GROOVE"])
    names = sorted(name for name in files if name.endswith(".mid"))
    assert len(names) == 1150
    for name in names[::4]:
        data = files[name]
        notes = read_drums(data, ended_only=True).notes
        assert sorted(map(tuple, notes.tolist())) == as_pretty_midi_reads(data), name


# Damaged and hostile files: a ValueError or a beat, soon, and nothing else


def try_to_read(data: bytes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings(
            "ignore",
            ".*(left out|its tempo changes|before its end|the grid|read as 4|no drum is struck)",
        )
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
