"""The humaniser: its sums by hand and in numpy, what it draws, what stays, also in a file."""

import io
import shlex
from pathlib import Path

import mido
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from helpers import fails
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare
from strategies import beats, rock
from threadpoolctl import threadpool_limits

from drum_qtuner import touch
from drum_qtuner.beat import Beat
from drum_qtuner.cli import main
from drum_qtuner.clips import Clips
from drum_qtuner.files import write_tensors
from drum_qtuner.humaniser import Humaniser, new_humaniser, performances, stroke_nats
from drum_qtuner.midi_file import read_drums
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.retouch import humanise_file
from drum_qtuner.styles import condition
from drum_qtuner.touch import Touch, humanise, load_humaniser, player_of, tick_classes

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(off the grid|left out|go with it|stay as they|tempo changes|its end|is struck)"
)


def lively(seed: int = 0) -> Humaniser:
    "A small network whose answers differ widely."
    model = new_humaniser(seed, around=4, memory=5, hidden=6)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2)
    return model.eval()


@pytest.fixture(scope="module")
def player() -> Touch:
    return player_of(lively())


@pytest.fixture(scope="module")
def clips() -> Clips:
    held = load_clips(split="validation", grid="performance", verbose=False)
    return held.select(np.arange(0, len(held), 400))


def one_hot(i, n):
    return np.eye(n)[i]


def by_hand(model, beat: Beat, told) -> list:
    "The sums of the notebook, a stroke at a time, in float64: [(log p of velocity, of tick)]."
    w = {name: value.double().numpy() for name, value in model.state_dict().items()}
    steps, played = range(beat.steps), []  # (step, drum, velocity, tick)
    hits, ticks = (beat.velocity > 0).astype(float), tick_classes(beat.offset)

    def gru(name, way, inputs):
        w_in, w_on, b_in, b_on = (
            w[f"{name}.{part}_l0{way}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        size, memory, found = w_on.shape[1], np.zeros(w_on.shape[1]), []
        for x in inputs:
            new, old = w_in @ x + b_in, w_on @ memory + b_on
            r, z = 1 / (1 + np.exp(-(new + old)[: 2 * size].reshape(2, size)))
            memory = (1 - z) * np.tanh(new[2 * size :] + r * old[2 * size :]) + z * memory
            found.append(memory)
        return found

    seen = [np.concatenate([hits[s], one_hot(s % 32, 32), told]) for s in steps]
    ways = gru("around", "", seen), gru("around", "_reverse", seen[::-1])[::-1]
    loud = beat.velocity / 127
    late = (ticks - 60) / 60 * hits
    before = [np.zeros(27), *(np.concatenate([hits[s], loud[s], late[s]]) for s in steps[:-1])]
    memory = gru("played", "", before)

    def last(drum, step=None):
        "The last stroke of a drum, or that of a step, or none."
        found = [p for p in played if p[1] == drum and step in (None, p[0])]
        return found[-1] if found else None

    def numbers(p, now):
        return (p[2] / 127, (p[3] - 60) / 60, 1 / (1 + now - p[0])) if p else (0, 0, 0)

    def head(kind, read, drum, others, which, classes):
        hidden = np.maximum(w[f"{kind}_hidden.weight"] @ read + w[f"{kind}_hidden.bias"], 0)
        x = np.concatenate([hidden, one_hot(drum, 9)])
        logits = w[f"{kind}_output.weight"] @ x + w[f"{kind}_output.bias"]
        much = np.log1p(np.exp(w[f"{kind}_gates.weight"] @ hidden + w[f"{kind}_gates.bias"]))
        for c in range(classes):
            for j, other in enumerate(others):
                for i in (0, 1) if other else ():
                    away = c - (other[which] - (which == 2)) + classes - 1
                    logits[c] += much[2 * j + i] * w[f"{kind}_near"][j, i, away]
        return logits - np.log(np.exp(logits).sum())

    answers = []
    for s in steps:
        for d in np.flatnonzero(hits[s]):
            kit = np.array([numbers(last(e), s) for e in range(9)]).T.ravel()
            back = [last(d, s - k) for k in (16, 8, 4)]
            heard = [
                1.0 * bool(p) if i == 0 else numbers(p, s)[i - 1] for p in back for i in range(3)
            ]
            read = np.concatenate(
                [ways[0][s], ways[1][s], memory[s], kit, numbers(last(d), s), heard, one_hot(d, 9)]
            )
            velocity, tick = int(beat.velocity[s, d]), int(ticks[s, d])
            one = head("velocity", read, d, [last(d), *back], 2, 127)[velocity - 1]
            more = [velocity / 127, (velocity / 127) ** 2, velocity == 127]
            near = [played[-1] if played else None, last(d), *back]
            two = head("offset", np.concatenate([read, more]), d, near, 3, 120)[tick]
            played.append((s, d, velocity, tick))
            answers.append((one, two))
    return answers


def test_the_sums_are_those_by_hand(clips):
    "On a clip, as torch does them."
    model, clip = lively(), clips[1]
    played, told = performances(clips.select([1]))
    wanted = by_hand(model, clip, told[0].double().numpy())
    assert len(wanted) > 20
    assert np.allclose(-stroke_nats(model, played, told), wanted, atol=1e-4)


@given(beats(), st.sampled_from([None, "funk"]))
@settings(deadline=None, max_examples=10)
def test_numpy_says_what_torch_says(player, beat, style):
    "Of any performance of one to four bars."
    hits, told = beat.velocity > 0, condition(style, beat.bpm)
    pairs = np.stack([beat.velocity.astype(int) - 1, tick_classes(beat.offset)], 2)
    played = np.where(hits[..., None], pairs, -1)[None]
    _, log_p = player.play(
        hits[None], told[None], np.zeros(played.shape), played, np.ones(played.shape, bool)
    )
    if hits.any():
        nats = stroke_nats(lively(), torch.from_numpy(played), torch.from_numpy(told)[None])
        assert np.allclose(log_p[0][hits], -nats, rtol=1e-5, atol=1e-5)


def test_what_is_drawn_follows_the_probabilities(player):
    "Two strokes, 20,000 times: the velocity of the first, and the offset of the second given both."
    velocity = np.zeros((16, 9), np.uint8)
    velocity[[0, 2], 1] = 100
    n, told = 20_000, condition(None, 120)
    hits, told = np.repeat((velocity > 0)[None], n, 0), np.repeat(told[None], n, 0)
    draws = np.random.default_rng(0).random((*hits.shape, 2))
    classes, log_p = player.play(hits, told, draws)
    first = np.zeros((127, *hits.shape[1:], 2), int)
    first[:, 0, 1, 0] = np.arange(127)
    keep = np.ones(first.shape, bool)
    keep[:, :, :, 1] = False
    _, exact = player.play(hits[:127], told[:127], draws[:127], first, keep)
    p = np.exp(exact[:, 0, 1, 0].astype(float))
    assert p.sum() == pytest.approx(1, abs=1e-4)
    often = p * n > 5
    counts = np.bincount(classes[:, 0, 1, 0], minlength=127)
    assert chisquare(counts[often], p[often] / p[often].sum() * counts[often].sum()).pvalue > 0.001
    # a probability that is right is p on average over what it draws: E[1 / p] = number of classes
    assert np.exp(-log_p[:, 2, 1, 1].astype(float)).mean() == pytest.approx(120, rel=0.1)


@given(beats(), st.floats(0, 1), st.data())
@settings(deadline=None, max_examples=8)
def test_what_stays(player, beat, amount, data):
    "Hits, tempo, length, and what is kept; at amount 0 everything."
    keep = data.draw(arrays(np.bool_, beat.velocity.shape))
    [played] = humanise([beat], player, amount=amount, keep=keep)
    assert np.array_equal(played.velocity > 0, beat.velocity > 0) and played.bpm == beat.bpm
    assert np.array_equal(played.velocity[keep], beat.velocity[keep])
    assert np.array_equal(played.offset[keep], beat.offset[keep])
    assert humanise([beat], player, amount=0) == [beat]
    [full] = humanise([beat], player, keep=keep)
    low, high = (f(beat.offset, full.offset) for f in (np.minimum, np.maximum))
    assert ((played.offset >= low - 1e-3) & (played.offset <= high + 1e-3)).all()
    assert humanise([beat], player, velocity=False, timing=False) == [beat]


def test_what_is_kept_is_heard(player):
    "The second bar is played differently after a soft first bar than after a loud one."
    mask = np.zeros((32, 9), bool)
    mask[:16] = True
    soft, loud = rock().velocity // 10, rock().velocity
    played = humanise([Beat(soft), Beat(loud)], player, keep=mask, seed=3)
    again = humanise([Beat(loud)], player, keep=mask, seed=3)
    assert (played[0].velocity[16:] != again[0].velocity[16:]).any()
    one, two = (
        [b.velocity[16:][b.velocity[16:] > 0] for b in humanise([beat] * 50, player, keep=mask)]
        for beat in (Beat(soft), Beat(loud))
    )
    assert np.mean(one) != np.mean(two)


def test_the_same_seed_plays_the_same(player):
    "On any number of threads, beside beats of other lengths; another seed plays otherwise."
    long = Beat(np.tile(rock().velocity, (4, 1)))
    mixed = [rock(), long, rock(90), long]
    one = humanise(mixed, player, seed=1)
    with threadpool_limits(2):
        assert one == humanise(mixed, player, seed=1)
    assert [one[1], one[3]] == humanise([long, long], player, seed=1)
    assert one[1] != one[3] and one != humanise(mixed, player, seed=2)
    assert one[1].steps == 128


def test_what_is_no_beat_or_no_humaniser_is_told(player, tmp_path):
    for wrong, words in (
        (lambda: humanise(rock(), player), "list of beats"),
        (lambda: humanise([3], player), "one is a int"),
        (lambda: humanise([rock()], player, amount=1.5), "amount"),
        (lambda: humanise([rock()], player, style="polka"), "no style"),
        (lambda: humanise([rock()], player, keep=np.ones((32, 9))), "bool"),
        (lambda: humanise([rock()], "gru"), "is a Touch"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()
    path, weights = tmp_path / "h.safetensors", dict(player.weights)
    for card, words in (
        ({"architecture": "Judge"}, "no humaniser"),
        ({"architecture": "Humaniser", "sizes": {"around": 3}}, "no sizes"),
        ({"architecture": "Humaniser", "sizes": {**player.sizes, "hidden": 9}}, "do not fit"),
        ({"architecture": "Drummer", "sizes": {"humaniser": player.sizes}}, "missing"),
    ):
        write_tensors(path, weights, card)
        with pytest.raises(ValueError, match=f"h.safetensors: .*{words}"):
            load_humaniser(path)


def everything(data: bytes, finer: int = 1) -> tuple[list, list]:
    "(strokes on channel 10 as (pitch, velocity), all else as (track, tick, message)) by mido."
    midi, strokes, rest = mido.MidiFile(file=io.BytesIO(data)), [], []
    for number, track in enumerate(midi.tracks):
        now = 0
        for message in track:
            now += message.time
            if message.type == "end_of_track":  # a track may last as long as the longest
                continue
            if message.type in ("note_on", "note_off") and message.channel == 9:
                if message.type == "note_on" and message.velocity:
                    strokes.append((message.note, now, message.velocity))
            else:
                rest.append((number, now * finer, message.copy(time=0)))
    return sorted(strokes), rest


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1900),
            st.integers(0, 300),
            st.sampled_from([35, 36, 40, 42, 44, 57, 95]),
            st.integers(1, 127),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda note: (note[0], note[2]),
    ),
    st.sampled_from([96, 480, 960]),
)
@settings(deadline=None, max_examples=12)
def test_a_file_keeps_everything_else(player, notes, resolution):
    "A melody, texts, tempos, pitches, sounds that are on no kit; amount 0 moves nothing at all."
    notes = [*notes, (40, 20, 36, 90)] if {note[2] for note in notes} == {95} else notes
    notes = list({(note[0], note[2]): note for note in notes}.values())
    melody = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=500_000),
            mido.Message("note_on", channel=2, note=60, time=11),
            mido.MetaMessage("set_tempo", tempo=600_000, time=700),
            mido.Message("sysex", data=(1, 2, 3), time=5),
            mido.MetaMessage("end_of_track", time=4000),
        ]
    )
    events = [
        (on, 1, mido.Message("note_on", channel=9, note=p, velocity=v)) for on, _, p, v in notes
    ]
    events += [
        (on + 1 + n, 0, mido.Message("note_off", channel=9, note=p)) for on, n, p, _ in notes
    ]
    events += [(50, 2, mido.Message("control_change", channel=9, control=4, value=9))]
    drums, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        drums.append(message.copy(time=tick - now))
        now = tick
    mido.MidiFile(ticks_per_beat=resolution, tracks=[melody, drums]).save(
        file=(file := io.BytesIO())
    )
    data, finer = file.getvalue(), {96: 5, 480: 1, 960: 1}[resolution]
    old, rest = everything(data, finer)
    [(same, _)] = humanise_file(data, player, amount=0)
    assert everything(same) == ([(pitch, on * finer, v) for pitch, on, v in old], rest)
    for made, beat in humanise_file(data, player, n=2):
        strokes, others = everything(made)
        assert others == rest
        assert [stroke[0] for stroke in strokes] == [stroke[0] for stroke in old]
        off_kit = [(pitch, on * finer, v) for pitch, on, v in old if pitch == 95]
        assert [stroke for stroke in strokes if stroke[0] == 95] == off_kit
        assert read_drums(made).length == read_drums(data).length * finer
        assert mido.MidiFile(file=io.BytesIO(made)).ticks_per_beat == resolution * finer
        assert (Beat.from_midi(data).velocity > 0).sum() == (beat.velocity > 0).sum()


def test_a_file_holds_what_was_played(player):
    "Read back, it is the performance, to a tick of the file."
    rock().to_midi("rock.mid")
    [(data, played)] = humanise_file("rock.mid", player, seed=4)
    again = Beat.from_midi(data)
    early = played.offset[0] < 0  # nothing is played before a file begins
    assert np.array_equal(again.velocity, played.velocity)
    assert np.abs(again.offset - played.offset)[1:].max() <= 1 / 960
    assert (again.offset[0][early] == 0).all()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def drum_qtuner(line: str):
    return CliRunner().invoke(main, shlex.split(line), prog_name="drum_qtuner")


def test_the_command(player, monkeypatch):
    monkeypatch.setattr(touch, "shipped_humaniser", lambda: player)
    Path("loops/more").mkdir(parents=True)
    for name in ("loops/a.mid", "loops/more/b.mid"):
        rock(97).to_midi(name)
    done = drum_qtuner("humanize loops --style funk --n 2 --seed 3 --out new")
    assert done.exit_code == 0, done.output
    assert "2 of 2 files (amount 1, style funk, seed 3)" in done.stdout
    names = ["new/a-1.mid", "new/a-2.mid", "new/more/b-1.mid", "new/more/b-2.mid"]
    assert [path.as_posix() for path in sorted(Path("new").rglob("*.mid"))] == names
    made = [Beat.from_midi(name) for name in names]
    assert made[0] != made[1] and made[0] == made[2] and made[0].bpm == 97
    assert drum_qtuner("humanize loops/a.mid --amount 0 --out same").exit_code == 0
    assert Beat.from_midi("same/a.mid") == rock(97)
    assert drum_qtuner("humanize loops/a.mid --keep-timing --out soft").exit_code == 0
    assert np.array_equal(Beat.from_midi("soft/a.mid").offset, rock(97).offset)
    fails(drum_qtuner("humanize loops/a.mid --out same"), "is there already", "--overwrite")


def test_mistakes_get_a_line(player, monkeypatch):
    monkeypatch.setattr(touch, "shipped_humaniser", lambda: player)
    rock().to_midi("a.mid")
    waltz = mido.MidiTrack([mido.MetaMessage("time_signature", numerator=3, denominator=4)])
    waltz.append(mido.Message("note_on", channel=9, note=36, velocity=90))
    mido.MidiFile(tracks=[waltz]).save("waltz.mid")
    mido.MidiFile(tracks=[mido.MidiTrack([mido.Message("note_on", note=60)])]).save("piano.mid")
    Path("bad.mid").write_bytes(b"no MIDI")
    fails(drum_qtuner("humanize waltz.mid"), "waltz.mid", "3/4", "--fit-bars")
    fails(drum_qtuner("humanize piano.mid"), "piano.mid", "no drums")
    fails(drum_qtuner("humanize nothing.mid"), "nothing.mid", "no such file")
    fails(drum_qtuner("humanize a.mid --amount 2"), "--amount")
    fails(drum_qtuner("humanize a.mid --style polka"), "polka")
    fails(drum_qtuner("humanize a.mid --keep-timing --keep-velocity"), "nothing to play")
    assert not Path("humanized").exists()
    done = drum_qtuner("humanize bad.mid a.mid --skip-bad")
    assert (
        done.exit_code == 0 and "1 of 2 files" in done.stdout and "left out: bad.mid" in done.stdout
    )
    assert drum_qtuner("humanize waltz.mid --fit-bars --out w").exit_code == 0
