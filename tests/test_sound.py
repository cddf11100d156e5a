"""The sound: every stroke in its place, loops without a seam, drums that are drums, WAV files."""

import hashlib
import json
import os
import subprocess
import sys
import wave
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pretty_midi
import pytest
import soundfile
from helpers import at_most
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import beats

from drum_qtuner import sound
from drum_qtuner.beat import KIT, REST, Beat
from drum_qtuner.kit import RATE, SOUNDS, layers, strike, white_noise
from drum_qtuner.sound import CHOKE, beat_data, beat_from_data, render, soundfont_strike

OPEN, CLOSED, CRASH = 5, 6, 7
SOUNDFONT = Path(pretty_midi.__file__).with_name("TimGM6mb.sf2")


def one_stroke(step, drum, velocity=100, offset=0.0, bpm=120.0, bars=1) -> Beat:
    "A beat with a single stroke."
    velocities, offsets = np.zeros((16 * bars, 9), int), np.zeros((16 * bars, 9))
    velocities[step, drum], offsets[step, drum] = velocity, offset
    return Beat(velocities, offsets, bpm)


def together(*beats) -> Beat:
    "The strokes of all in one beat."
    return Beat(
        sum(beat.velocity.astype(int) for beat in beats),
        sum(beat.offset for beat in beats),
        beats[0].bpm,
    )


def random_beat(bars=2, bpm=120.0, seed=0, chance=0.3) -> Beat:
    random = np.random.default_rng(seed)
    struck = random.random((16 * bars, 9)) < chance
    return Beat(
        struck * random.integers(1, 128, struck.shape), random.uniform(-0.5, 0.5, struck.shape), bpm
    )


def heard(stroke):
    "What `render` makes of a stroke that sounds alone."
    return np.tanh(stroke.astype(float)).astype(np.float32)


def centroid(sound) -> float:
    "The mean frequency in Hz, weighted by power."
    power = np.abs(np.fft.rfft(sound)) ** 2
    return (power * np.fft.rfftfreq(len(sound), 1 / RATE)).sum() / power.sum()


# --- where the strokes are


@settings(max_examples=60, deadline=None)
@given(
    step=st.integers(0, 31),
    drum=st.integers(0, 8),
    velocity=st.integers(1, 127),
    ticks=st.integers(-480, 479),
    bpm=st.sampled_from([20, 61.5, 97.3, 120, 174, 300]),
)
def test_a_stroke_begins_at_its_sample(step, drum, velocity, ticks, bpm):
    beat = one_stroke(step, drum, velocity, ticks / 960, bpm, bars=2)
    exact = (
        (step + Fraction(ticks, 960)) * 15 / Fraction(bpm) * RATE
    )  # seconds in a sixteenth: 15 / bpm
    at = round(exact)
    if abs(exact - at) > 0.499:
        return  # half way between two samples: either is right
    sound, stroke = render(beat), heard(strike(drum, velocity))
    room = max(0, -at)  # an early first stroke makes room for itself
    assert np.array_equal(sound[room + at :][: len(stroke)], stroke)
    assert not sound[: room + at].any() and not sound[room + at + len(stroke) :].any()
    assert len(sound) >= round(32 * 15 / Fraction(bpm) * RATE)
    ring = np.zeros(round(32 * 15 / Fraction(bpm) * RATE))
    np.add.at(ring, (at + np.arange(len(stroke))) % len(ring), strike(drum, velocity))
    assert np.abs(render(beat, loop=True) - np.tanh(ring)).max() < 1e-6


def test_an_independent_sum_of_strokes():
    "Without open hi-hats a beat is tanh of the sum of its strokes, placed by a plain loop."
    beat = random_beat(seed=2, bpm=97.3)
    beat = Beat(np.where(np.arange(9) == OPEN, 0, beat.velocity), beat.offset, 97.3)
    strokes = [
        (
            round((step + float(beat.offset[step, drum])) * 15 / 97.3 * RATE),
            int(drum),
            int(beat.velocity[step, drum]),
        )
        for step, drum in zip(*np.nonzero(beat.velocity))
    ]
    room = -min(at for at, *_ in strokes)
    assert 0 < room < 0.5 * 15 / 97.3 * RATE + 1
    sound = render(beat)
    expected = np.zeros(len(sound))
    for at, drum, velocity in strokes:
        stroke = strike(drum, velocity)
        expected[room + at :][: len(stroke)] += stroke
    assert np.abs(sound - np.tanh(expected)).max() < 1e-6


def test_several_beats_follow_one_another():
    first, second = one_stroke(15, CRASH, bpm=97.3), one_stroke(0, 0, bpm=120)
    sound, start = render([first, second]), round(16 * 15 / 97.3 * RATE)
    alone = render(first)
    assert np.array_equal(sound[:start], alone[:start])
    tail = np.zeros(len(sound) - start)
    tail[: len(alone) - start] = np.arctanh(alone[start:].astype(float))
    tail[: len(strike(0, 100))] += strike(0, 100)
    assert np.abs(sound[start:] - np.tanh(tail)).max() < 1e-6
    assert len(render([first, second], loop=True)) == start + RATE * 2
    assert np.array_equal(render(second, loops=3, loop=True), np.tile(render(second, loop=True), 3))


@pytest.mark.parametrize("bpm, seconds", [(20, 24.0), (300, 1.6)])
def test_slowest_and_fastest(bpm, seconds):
    sound = render(random_beat(bpm=bpm), loop=True)
    assert (
        len(sound) == round(seconds * RATE)
        and np.isfinite(sound).all()
        and np.abs(sound).max() > 0.3
    )


def test_an_empty_beat_is_silence():
    empty = Beat.from_classes([REST] * 32)
    for loop in (False, True):
        sound = render(empty, loop=loop)
        assert len(sound) == 4 * RATE and not sound.any()


def test_sixteen_bars_and_speed():
    render(random_beat(seed=3))  # the first use makes the strokes, the second finds them
    made = strike.cache_info().misses
    render(random_beat(seed=3))
    assert strike.cache_info().misses == made
    long = random_beat(bars=16, seed=4)
    with at_most(seconds=2):
        sound = render(long, loop=True)
    assert len(sound) == 32 * RATE and np.isfinite(sound).all()


# --- loops


def test_a_loop_is_what_goes_on_and_on():
    "The crash rings for three turns of this bar; an early first stroke belongs to the turn before."
    beat = together(
        one_stroke(14, CRASH, bpm=300),
        one_stroke(0, 0, offset=-0.25, bpm=300),
        one_stroke(15, OPEN, bpm=300),
        one_stroke(2, CLOSED, bpm=300),
    )
    ring, early = render(beat, loop=True), round(0.25 * 15 / 300 * RATE)
    on_and_on = render(beat, loops=6)
    assert len(ring) == round(0.8 * RATE)
    assert (
        np.abs(on_and_on[early + 4 * len(ring) :][: len(ring) - early] - ring[:-early]).max() < 1e-6
    )
    turns = render(beat, loops=2, loop=True)
    assert np.array_equal(turns, np.tile(ring, 2))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), bpm=st.sampled_from([20, 62.5, 120, 300])
)  # half a bar is whole samples
def test_a_loop_has_no_seam(seed, bpm):
    "Begin the loop anywhere else: the same samples, so the seam is a place like every other."
    beat = random_beat(bars=1, bpm=bpm, seed=seed, chance=0.2)
    later = Beat(np.roll(beat.velocity, 8, 0), np.roll(beat.offset, 8, 0), beat.bpm)
    ring, half = render(beat, loop=True), render(later, loop=True)
    assert np.abs(np.roll(ring, round(8 * 15 / bpm * RATE)) - half).max() < 1e-6


@pytest.mark.parametrize("bpm", [61.5, 120, 200])
def test_a_loop_does_not_click(bpm):
    "Where the last tom still swings, at the loop point, the wave jumps no further than before."
    fill = Beat.from_classes([9, 9, 9, 9, 0, 9, 9, 9, 1, 9, 9, 9, 9, 2, 3, 4], bpm=bpm)
    ring, cut = render(fill, loop=True), render(fill)[: len(render(fill, loop=True))]
    jumps = np.abs(np.diff(ring, append=ring[0]))
    assert jumps[-1] <= jumps[-500:-1].max() < abs(cut[0] - cut[-1])


def test_cymbals_ring_over_the_bar_line():
    beat = one_stroke(30, CRASH, 127, bars=2)
    ring = render(beat, loop=True)
    step = RATE // 4  # two steps
    assert np.sqrt((ring[:step] ** 2).mean()) > 0.4 * np.sqrt((ring[-step:] ** 2).mean())
    assert np.array_equal(ring[:step], heard(strike(CRASH, 127))[step : 2 * step])
    assert len(render(beat)) == 15 * step + len(strike(CRASH, 127))  # without a loop it rings out


# --- choke


def test_a_closed_hat_silences_an_open_one():
    opened, closed = one_stroke(0, OPEN, 127), one_stroke(1, CLOSED, 60)
    sound, at, end = (
        render(together(opened, closed)),
        round(RATE / 8),
        round((1 / 8 + CHOKE) * RATE) + 1,
    )
    only_open, only_closed = render(opened), render(closed)
    assert np.array_equal(sound[:at], only_open[:at])
    assert np.abs(sound[end : len(only_closed)] - only_closed[end : len(sound)]).max() < 1e-6
    assert np.abs(only_open[end : end + 2000]).max() > 0.01  # there was something to silence
    fade = (np.arctanh(sound.astype(float)) - np.arctanh(only_closed[: len(sound)].astype(float)))[
        at : end - 1
    ] / strike(OPEN, 127)[at : end - 1]
    assert (
        np.abs(fade - np.linspace(1, 0, len(fade) + 1)[:-1]).max() < 0.01
    )  # a straight line, so no click


@pytest.mark.parametrize("drum", [d for d in range(9) if d != CLOSED])
def test_nothing_else_silences_an_open_hat(drum):
    opened, other = one_stroke(0, OPEN, 127), one_stroke(4, drum, 60)
    both = np.arctanh(render(together(opened, other)).astype(float))
    for beat in (opened, other):
        alone = np.arctanh(render(beat).astype(float))
        both[: len(alone)] -= alone
    assert np.abs(both).max() < 1e-6


def test_an_open_hat_is_silenced_across_the_loop_point():
    beat = together(one_stroke(15, OPEN, 127), one_stroke(0, CLOSED, 60))
    ring, closed = render(beat, loop=True), heard(strike(CLOSED, 60))
    after = round(CHOKE * RATE) + 1
    assert np.abs(ring[after : len(closed)] - closed[after:]).max() < 1e-6
    tail = render(beat)[2 * RATE :]  # played once, nobody closes it
    assert np.abs(tail).max() > 0.05


# --- the drums


def test_noise_is_mulberry32():
    "Against the generator in whole numbers of any size."

    def mulberry32(seed, count):
        for n in range(1, count + 1):
            a = (seed + n * 0x6D2B79F5) % 2**32
            t = (a ^ a >> 15) * (a | 1) % 2**32
            t = (t + (t ^ t >> 7) * (t | 61)) % 2**32 ^ t
            yield (t ^ t >> 14) / 2**31 - 1

    for seed in (0, 7, 2**32 - 1):
        assert white_noise(1000, seed).tolist() == list(mulberry32(seed, 1000))


@pytest.mark.parametrize("drum", range(9), ids=[drum.short for drum in KIT])
def test_harder_is_louder_and_brighter(drum):
    strokes = [strike(drum, velocity) for velocity in (1, 20, 40, 64, 90, 110, 127)]
    power = [float((stroke.astype(float) ** 2).sum()) for stroke in strokes]
    bright = [centroid(stroke) for stroke in strokes]
    assert power == sorted(power) and bright == sorted(bright)
    assert power[-1] > 10 * power[2] and bright[-1] > 1.005 * bright[2]
    assert np.abs(strokes[-1]).max() == pytest.approx(SOUNDS[drum]["level"], abs=1e-6)


@pytest.mark.parametrize("drum", range(9), ids=[drum.short for drum in KIT])
def test_a_stroke_ends_in_silence(drum):
    stroke = strike(drum)
    peak = np.abs(stroke).max()
    assert len(stroke) <= 2.5 * RATE and np.isfinite(stroke).all()
    assert (
        np.abs(stroke[-1]) < 1e-5 * peak and np.abs(stroke[-200:]).max() < 2e-3 * peak
    )  # no click
    assert abs(stroke.mean()) < 2e-3 * peak  # no direct current
    assert np.abs(stroke[: int(0.03 * RATE)]).max() > 0.9 * peak  # loudest at once
    assert not stroke.flags.writeable


def test_drums_differ_as_drums_do():
    start = [centroid(strike(drum)[:2205]) for drum in range(9)]
    assert (
        start[0] < 400
        and start[4] < start[3] < start[2] < start[1] < start[CRASH] < start[8] < start[CLOSED]
    )

    def pitch(drum):  # of the settled skin: the strongest frequency after a tenth of a second
        power = np.abs(np.fft.rfft(strike(drum)[RATE // 10 :], 2**18))
        return power.argmax() * RATE / 2**18

    assert pitch(0) == pytest.approx(49, abs=2)
    assert [pitch(drum) for drum in (2, 3, 4)] == pytest.approx([168, 122, 90], rel=0.03)

    def seconds(drum):  # until 20 dB below the loudest hundredth of a second
        power = np.convolve(strike(drum).astype(float) ** 2, np.ones(441))
        return np.flatnonzero(power > power.max() / 100)[-1] / RATE

    assert seconds(CLOSED) < 0.1 < 0.25 < seconds(OPEN) < seconds(CRASH)
    assert seconds(1) < seconds(0) < seconds(4)
    power = [float((strike(drum)[: RATE // 5].astype(float) ** 2).mean()) for drum in range(9)]
    assert min(power[0], power[1]) > 10 * max(
        power[OPEN], power[CLOSED], power[8]
    )  # bass drum and snare lead


def test_the_bass_drum_glides_down():
    crossings = np.flatnonzero(np.diff(np.sign(layers(0)[0][1:]))) / RATE
    pitches = 1 / (2 * np.diff(crossings))
    assert pitches[0] > 2 * pitches[-1] and (np.diff(pitches[:6]) < 0).all()


def test_the_densest_beat_stays_below_full_scale():
    for bpm in (120, 300):
        sound = render(Beat(np.full((32, 9), 127), bpm=bpm), loop=True)
        assert (
            np.isfinite(sound).all()
            and 0.9 < np.abs(sound).max() <= 1
            and sound.dtype == np.float32
        )


def test_same_beat_same_sound():
    "In this process from scratch, and in another one with other threads."
    beat = random_beat(seed=5)
    digest = hashlib.sha256(render(beat).tobytes()).hexdigest()
    layers.cache_clear(), strike.cache_clear()
    assert hashlib.sha256(render(beat).tobytes()).hexdigest() == digest
    code = (
        "import sys, hashlib, json; from drum_qtuner.sound import beat_from_data, render; "
        "beat = beat_from_data(json.load(sys.stdin)); "
        "print(hashlib.sha256(render(beat).tobytes()).hexdigest())"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(beat_data(beat)),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        env={**os.environ, "OMP_NUM_THREADS": "3", "PYTHONHASHSEED": "3"},
    )
    assert out.stdout.strip() == digest, out.stderr


# --- files, errors, SoundFonts


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_a_wav_file_is_what_was_rendered(tmp_path, rate):
    beat = random_beat(seed=6)
    data = beat.wav(tmp_path / "new" / "beat.wav", rate=rate, loop=True)
    assert (tmp_path / "new" / "beat.wav").read_bytes() == data
    read, read_rate = soundfile.read(tmp_path / "new" / "beat.wav")
    assert read_rate == rate and read.shape == (4 * rate,)
    assert (
        np.abs(read - render(beat, rate=rate, loop=True)).max() < 1.6 / 2**15
    )  # half a unit of rounding, and 32767 against 32768
    with wave.open(str(tmp_path / "new" / "beat.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getnframes()) == (1, 2, 4 * rate)


def test_beat_data_is_the_beat():
    beat = random_beat(seed=7, bpm=97.3)
    data = beat_data(beat, "any <title>")
    velocity, offset = np.zeros((data["steps"], 9), int), np.zeros((data["steps"], 9))
    for step, drum, hard, ticks in data["notes"]:
        velocity[step, drum], offset[step, drum] = hard, ticks / 960
    assert Beat(velocity, offset, data["bpm"]) == beat and data["title"] == "any <title>"


@settings(deadline=None, max_examples=40)
@given(beats())
def test_beat_data_comes_back(beat):
    assert beat_from_data(json.loads(json.dumps(beat_data(beat)))) == beat


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(steps=24), "not 24 steps"),
        (dict(steps=0), "steps must be a whole number"),
        (dict(steps=10**12), "steps must be a whole number"),
        (dict(steps=16.0), "steps must be a whole number"),
        (dict(bpm=5000), "bpm must be a number"),
        (dict(bpm=None), "bpm must be a number"),
        (dict(notes=None), "notes must be a list"),
        (dict(notes=[3]), "a note is"),
        (dict(notes=[[0, 0, 100]]), "a note is"),
        (dict(notes=[[0, 0, 100, 0.5]]), "a note is"),
        (dict(notes=[[0, 0, 10**30, 0]]), "a note is"),
        (dict(notes=[[0, 0, "loud", 0]]), "a note is"),
        (dict(notes=[[16, 0, 100, 0]]), "no step"),
        (dict(notes=[[-1, 0, 100, 0]]), "no step"),
        (dict(notes=[[0, 9, 100, 0]]), "no step, or on no drum"),
        (dict(notes=[[0, 0, 128, 0]]), "velocity must lie in"),
        (dict(notes=[[0, 0, 100, 480]]), "offset must lie in"),
    ],
)
def test_numbers_that_are_no_beat(change, words):
    data = dict(title="", steps=16, bpm=120, notes=[[0, 0, 100, 0]])
    with pytest.raises(ValueError, match=words):
        beat_from_data(data | change)


def test_numbers_that_lack_something():
    with pytest.raises(ValueError, match="lack bpm, steps"):
        beat_from_data(dict(notes=[]))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: strike(9), "drums are 0 to 8"),
        (lambda: strike(0, 0), "velocities 1 to 127"),
        (lambda: strike(0, 128), "velocities 1 to 127"),
        (lambda: strike(0, 100, 8000), "22,050 to 192,000"),
        (lambda: render([]), "at least one"),
        (lambda: render("beat"), "takes a Beat"),
        (lambda: render(one_stroke(0, 0), loops=0), "whole number from 1"),
        (lambda: render(one_stroke(0, 0), loops=1.5), "whole number from 1"),
        (
            lambda: render(one_stroke(0, 0), soundfont="none.sf2"),
            "none.sf2: there is no such SoundFont",
        ),
    ],
)
def test_what_cannot_be_played_says_so(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_without_fluidsynth_a_clear_word(monkeypatch):
    monkeypatch.setitem(sys.modules, "fluidsynth", None)
    soundfont_strike.cache_clear()
    with pytest.raises(RuntimeError, match="needs FluidSynth: install the program"):
        render(one_stroke(0, 0), soundfont=SOUNDFONT)


def have_fluidsynth() -> bool:
    try:
        import fluidsynth  # noqa: F401 fails where the package or the program's library is not there
    except ImportError:
        return False
    return True


needs_fluidsynth = pytest.mark.skipif(
    not have_fluidsynth(),
    reason="FluidSynth is not installed: apt install fluidsynth, pip install pyfluidsynth",
)


@needs_fluidsynth
def test_a_soundfont_plays_the_same_beat():
    beat = together(one_stroke(4, 1, offset=0.1), one_stroke(8, OPEN), one_stroke(10, CLOSED))
    sound = render(beat, soundfont=SOUNDFONT)
    at = round(4.1 * RATE / 8)
    assert (
        not sound[:at].any()
        and np.abs(sound[at : at + 4410]).max() > 0.3
        and np.abs(sound).max() <= 1
    )
    assert np.array_equal(
        sound[at : at + 4410], heard(soundfont_strike(1, 100, str(SOUNDFONT)))[:4410]
    )
    assert len(render(beat, soundfont=SOUNDFONT, loop=True)) == 2 * RATE


@needs_fluidsynth
def test_a_file_that_is_no_soundfont(tmp_path):
    (tmp_path / "song.sf2").write_bytes(b"this is no SoundFont")
    with pytest.raises(ValueError, match="song.sf2: FluidSynth cannot read it"):
        render(one_stroke(0, 0), soundfont=tmp_path / "song.sf2")


@needs_fluidsynth
def test_the_reference_of_the_notebook_was_measured(repo):
    "The time to fall by 20 dB, for each drum of the SoundFont, is what the table in nbs says."
    table = pd.read_csv(repo / "nbs" / "lib" / "soundfont_one_shots.csv", index_col="drum")
    for i, drum in enumerate(KIT):
        stroke = soundfont_strike(i, 127, str(SOUNDFONT)).astype(float)
        stroke = stroke[np.argmax(np.abs(stroke) > 0.003 * np.abs(stroke).max()) :]
        loudness = np.sqrt(np.convolve(stroke**2, np.ones(220) / 220)[110:])
        fall = np.flatnonzero(loudness > loudness.max() / 10)[-1] / RATE * 1000
        assert fall == pytest.approx(table.loc[drum.short, "fall_20"], abs=3)


def test_import_is_quick():
    "Every beat has its methods, and what they need is imported when they are called."
    heavy = ["scipy", "fluidsynth", "soundfile", "matplotlib", "torch", "music21", "mido"]
    heavy += ["pretty_midi", "pandas", "IPython", "anywidget", "verovio"]
    code = (
        "import sys; from drum_qtuner import Beat;"
        "Beat.to_midi, Beat.from_midi, Beat.wav, Beat._repr_html_;"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(sound.__file__).parent.parent,
    )
    assert out.stdout.strip() == "[]", out.stderr
