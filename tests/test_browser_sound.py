"""The page's sounds are Python's: strokes, beats, WAV and MIDI, computed in a browser."""

import io
import json

import numpy as np
import pytest
import soundfile
from browser import compute, samples

from drum_qtuner.beat import REST, Beat
from drum_qtuner.kit import RATE, strike
from drum_qtuner.midi import _midi_bytes
from drum_qtuner.sound import beat_data, kit_json, render
from drum_qtuner.web import asset, page, script


def random_beat(bars, bpm, seed) -> Beat:
    random = np.random.default_rng(seed)
    struck = random.random((16 * bars, 9)) < 0.3
    return Beat(
        struck * random.integers(1, 128, struck.shape), random.uniform(-0.5, 0.5, struck.shape), bpm
    )


BEATS = {
    "two bars": random_beat(2, 97.3, 0),
    "another": random_beat(2, 120, 1),
    "slow": random_beat(1, 20, 2),
    "fast": random_beat(1, 300, 3),
    "sixteen bars": random_beat(16, 174, 4),
    "everything": Beat(np.full((32, 9), 127), np.full((32, 9), -0.5)),
    "hats": Beat.from_classes([5, 6, 5, 5, 6, 6, 9, 5] * 2, bpm=110),
    "closed across the loop point": Beat.from_classes([6] + [9] * 14 + [5], bpm=110),
    "empty": Beat.from_classes([REST] * 32, bpm=61.5),
}


@pytest.fixture
def sounds(open_page):
    "A page with what every page has that sounds, and nothing else."
    return open_page(page("Sound", f"<script>{script()}</script>"))


def test_every_stroke_is_the_same(sounds):
    for drum in range(9):
        for velocity in (1, 40, 100, 127):
            theirs = samples(sounds, "D.strike(...x)", [drum, velocity])
            ours = strike(drum, velocity)
            assert theirs.shape == ours.shape
            assert np.abs(theirs - ours).max() <= 1e-6, f"drum {drum}, velocity {velocity}"


@pytest.mark.parametrize("name", BEATS)
def test_every_beat_sounds_the_same(sounds, name):
    for loop in (False, True):
        theirs = samples(
            sounds, "D.render(x.beat, {loop: x.loop})", dict(beat=beat_data(BEATS[name]), loop=loop)
        )
        ours = render(BEATS[name], loop=loop)
        assert theirs.shape == ours.shape
        assert np.abs(theirs - ours).max() <= 1e-5


@pytest.mark.parametrize("name", BEATS)
def test_every_midi_file_is_the_same(sounds, name):
    assert compute(sounds, "D.midi(x)", beat_data(BEATS[name])) == _midi_bytes(BEATS[name])


def test_a_wav_file_can_be_read(sounds):
    beat = BEATS["two bars"]
    read, rate = soundfile.read(
        io.BytesIO(compute(sounds, "D.wav(D.render(x))", beat_data(beat))), dtype="int16"
    )
    ours, _ = soundfile.read(io.BytesIO(beat.wav()), dtype="int16")
    assert rate == RATE and read.shape == ours.shape
    assert np.abs(read.astype(int) - ours).max() <= 1


def test_web_audio_plays_what_is_rendered(sounds):
    "Strokes as audio buffers, started in time and saturated by audio nodes: what `render` gives."
    beat = Beat.from_classes([0, 9, 6, 9, 1, 9, 6, 7, 8, 2, 3, 4, 0, 0, 1, 1], bpm=120)
    theirs = samples(
        sounds,
        """(async () => {
        const context = new OfflineAudioContext(1, 4 * D.RATE, D.RATE);
        const {input, output} = D.sounds.saturator(context);
        output.connect(context.destination);
        for (const [step, drum, velocity, offset] of x.notes) {
            const source = context.createBufferSource();
            source.buffer = D.sounds.buffer(context, drum, velocity);
            source.connect(input);
            source.start(D.sampleOf(D.TICKS * step + offset, x.bpm) / D.RATE);
        }
        return (await context.startRendering()).getChannelData(0);
    })()""",
        beat_data(beat),
    )
    ours = render(beat)
    assert np.abs(theirs[: len(ours)] - ours).max() <= 1e-4 and not theirs[len(ours) :].any()


def test_strokes_are_made_once_and_the_script_may_come_twice(sounds):
    sounds.evaluate("drumQtuner.before = drumQtuner.strike(0, 127)")
    sounds.add_script_tag(content=script())
    assert sounds.evaluate("drumQtuner.before === drumQtuner.strike(0, 127)")


def test_the_sound_is_small():
    size = len(asset("sound.js")) + len(asset("files.js")) + len(kit_json())
    assert size < 16_000 and json.loads(kit_json())["sounds"]
