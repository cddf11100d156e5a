"""The whole kit: patterns and their chances, networks in torch and in numpy, one drummer."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drum_qtuner import generate, humanise, load, load_clips, load_pretrained, save, variations
from drum_qtuner.beat import KIT
from drum_qtuner.drummer import Drummer, drummer_of
from drum_qtuner.files import read_tensors, write_tensors
from drum_qtuner.filling_gru import FillingGRU, train_filling
from drum_qtuner.hits import HitsGRU, hits_of, pattern_scores, step_nats, train_hits
from drum_qtuner.humaniser import new_humaniser, train_humaniser
from drum_qtuner.patterns import BITS, pattern_log_probabilities, pattern_numbers, patterns_with
from drum_qtuner.store import new_network
from drum_qtuner.styles import STYLES

numbers_of = arrays(np.float64, (2, 45), elements=st.floats(-8, 8))
hits = arrays(bool, len(KIT))


@pytest.fixture(scope="module")
def drummer():
    return load_pretrained("drummer", only_play=True)


@pytest.fixture(scope="module")
def small():
    "A drummer with random weights."
    humaniser = new_humaniser(0, around=4, memory=4, hidden=5)
    filling = new_network(lambda: FillingGRU(later=4, earlier=5, read=6), 0)
    return drummer_of(new_network(lambda: HitsGRU(hidden=8, read=6), 0), humaniser, filling)


@given(numbers_of, hits)
def test_the_chance_of_a_pattern_is_the_product_of_the_chain(numbers, hits):
    "By the chain rule, drum after drum, in logarithms."
    log_p = 0
    for d in range(9):
        logit = numbers[0, d] + sum(
            numbers[0, 9 + d * (d - 1) // 2 + e] for e in range(d) if hits[e]
        )
        log_p -= np.log1p(np.exp(-logit if hits[d] else logit))
    found = pattern_log_probabilities(numbers)
    np.testing.assert_allclose(found[0, pattern_numbers(hits)], log_p, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.exp(found).sum(1), 1)


@given(numbers_of, hits)
def test_torch_and_numpy_agree_on_patterns(numbers, hits):
    ours, theirs = (
        pattern_log_probabilities(numbers),
        pattern_scores(torch.from_numpy(numbers).float()),
    )
    np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-4)
    nats = step_nats(torch.from_numpy(numbers).float(), torch.from_numpy(hits).float().expand(2, 9))
    np.testing.assert_allclose(nats.numpy(), -ours[:, pattern_numbers(hits)], atol=2e-4)


@given(hits, hits)
def test_patterns_that_keep_something(hits, kept):
    "Those, and only those, that agree with it."
    np.testing.assert_array_equal(patterns_with(hits, kept), ((BITS == hits) | ~kept).all(1))


def test_steps_are_drawn_as_the_scores_say():
    "The share of each of the likeliest first patterns is its chance."
    model = new_network(lambda: HitsGRU(hidden=8, read=6), 3)
    with torch.no_grad():  # a kit that plays little, so that few patterns are likely
        model.output.bias[:9] -= 2
        p = model.scores(torch.zeros(1, 0, dtype=torch.long))[0].exp().numpy()
    beats = generate(model, 8_000, steps=16, seed=1)
    first = pattern_numbers(np.array([beat.velocity[0] for beat in beats]) > 0)
    shares = np.bincount(first, minlength=512) / len(beats)
    likely = p.argsort()[-10:]
    assert (np.abs(shares - p)[likely] < 4 * np.sqrt(p / len(beats))[likely]).all()


def test_no_step_sees_itself_or_what_comes_later():
    model, beat = new_network(HitsGRU, 0), torch.randint(512, (1, 40))
    other = beat.clone()
    other[0, 20] = (other[0, 20] + 1) % 512
    with torch.no_grad():
        moved = (model.numbers(hits_of(beat)) != model.numbers(hits_of(other))).any(2)[0]
    assert moved.nonzero()[:, 0].tolist() == list(range(21, 41))


@pytest.mark.parametrize("dropout", [0.4, 0.0])
def test_a_resumed_training_is_the_same_training(tmp_path, dropout):
    clips = load_clips(split="validation", grid="performance", verbose=False).select(slice(0, 300))
    small = dict(clips_shown=1_280, seed=2, dropout=dropout, hidden=6, read=5)
    whole, _ = train_hits(clips, clips, **small)

    def stop(done, model):
        if done == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_hits(clips, clips, checkpoint=tmp_path / "c.safetensors", callback=stop, **small)
    resumed, _ = train_hits(clips, clips, checkpoint=tmp_path / "c.safetensors", **small)
    assert all(map(torch.equal, whole.state_dict().values(), resumed.state_dict().values()))


def test_a_drummer_is_saved_and_plays_the_same_without_torch(small, tmp_path):
    path = save(small, tmp_path / "mine.safetensors", {"what": "a test"})
    learned, player = load(path), load(path, only_play=True)
    assert type(learned) is Drummer and player.card["what"] == "a test"
    assert generate(learned, 5, seed=1) == generate(player, 5, seed=1) == generate(small, 5, seed=1)
    prefix = np.random.default_rng(0).integers(512, size=(3, 20))
    scores = learned.scores(torch.from_numpy(prefix)).detach().numpy()
    np.testing.assert_allclose(player.scores(prefix), scores, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(keep=arrays(bool, (32, 9)), seed=st.integers(0, 100))
def test_what_is_kept_stays(drummer, keep, seed):
    "Strokes and silences, loudness and timing, before and after what is open."
    beat = generate(drummer, 1, seed=seed)[0]
    for made in generate(drummer, 2, given=beat, keep=keep, seed=seed + 1):
        assert (made.velocity[keep] == beat.velocity[keep]).all()
        assert (made.offset[keep] == beat.offset[keep]).all()


def test_it_plays_with_dynamics_timing_and_several_drums(drummer):
    beats = generate(drummer, 100, seed=0)
    velocity = np.array([beat.velocity for beat in beats])
    offset = np.array([beat.offset for beat in beats])
    assert len({(beat.velocity > 0).tobytes() for beat in beats}) > 90
    assert 0.2 < ((velocity > 0).sum(2) > 1).sum() / (velocity > 0).any(2).sum() < 0.5
    assert len(np.unique(velocity)) > 60 and np.std(offset[velocity > 0]) > 0.05


@pytest.mark.parametrize("steps", [16, 64, 256])
def test_any_length(drummer, steps):
    beat = generate(drummer, 1, steps=steps, style="rock", seed=2)[0]
    assert beat.steps == steps and beat.bpm == 110
    bars = (beat.velocity > 0).reshape(-1, 16, 9)
    assert bars.any((1, 2)).all()


def test_being_told_a_style_changes_what_is_played(drummer):
    assert generate(drummer, 1, style="punk", seed=1) != generate(drummer, 1, style="jazz", seed=1)
    told, untold = (generate(drummer, 1, guidance=g, bpm=120, seed=1) for g in (1, 0))
    assert told != untold
    with pytest.raises(ValueError, match="no style 'polka'"):
        generate(drummer, style="polka")
    with pytest.raises(ValueError, match="knows no styles"):
        generate(load_pretrained("note_cnn", only_play=True), style=STYLES[0])


def test_a_midi_file_carries_dynamics_and_timing(drummer, tmp_path):
    "Two libraries read what the drummer played, stroke for stroke."
    import mido
    import pretty_midi

    beat = generate(drummer, 1, style="funk", bpm=98, seed=5)[0]
    path = tmp_path / "beat.mid"
    beat.to_midi(path)
    steps, drums = np.nonzero(beat.velocity)
    late = beat.offset[steps, drums].astype(float)
    first = min(0.0, float((steps + late).min()))  # a file cannot begin before its beginning
    wanted = sorted(
        (round((step + x - first) * 15 / 98, 3), KIT[drum].pitch, int(beat.velocity[step, drum]))
        for step, drum, x in zip(steps, drums, late)
    )
    [instrument] = pretty_midi.PrettyMIDI(str(path)).instruments
    assert instrument.is_drum
    notes = [(round(note.start, 3), note.pitch, note.velocity) for note in instrument.notes]
    now, played = 0.0, []
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "note_on" and message.velocity:
            played.append((round(now, 3), message.note, message.velocity))
    for found in (notes, played):
        assert [row[1:] for row in sorted(found)] == [row[1:] for row in wanted]
        assert np.allclose(
            [row[0] for row in sorted(found)], [row[0] for row in wanted], atol=0.002
        )


def a(word, call):
    "A call that must say so."
    return pytest.param(call, word, id=word)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        a("guidance is a number", lambda d, beat: generate(d, guidance="2")),
        a("no style 3", lambda d, beat: generate(d, style=3)),
        a("from 0 to 511", lambda d, beat: generate(d, primer=[512])),
        a("stay a share", lambda d, beat: variations(d, stay="half")),
        a("beats is a list", lambda d, beat: humanise(None)),
        a("seed must be", lambda d, beat: humanise([beat], seed="a")),
        a("amount is a number", lambda d, beat: humanise([beat], amount="all")),
    ],
)
def test_wrong_arguments_are_named(drummer, call, word):
    with pytest.raises(ValueError, match=word):
        call(drummer, generate(drummer, 1)[0])


@pytest.mark.parametrize("only_play", [True, False])
@pytest.mark.parametrize(
    "sizes",
    [{}, {"read": "64"}, {"more": 1}, {"hidden": 10**6}, {"steps": 0}],
    ids=["missing", "a word", "unknown", "huge", "nothing"],
)
def test_a_damaged_drummer_is_refused(small, tmp_path, sizes, only_play):
    "One error that names the file."
    path = save(small, tmp_path / "mine.safetensors")
    tensors, card = read_tensors(path)
    hits = {**card["sizes"]["hits"], **sizes} if sizes else {}
    write_tensors(path, tensors, {**card, "sizes": {**card["sizes"], "hits": hits}})
    with pytest.raises(ValueError, match="mine.safetensors"):
        load(path, only_play=only_play)


@pytest.mark.parametrize("train", [train_hits, train_humaniser, train_filling])
@pytest.mark.parametrize("clips", [None, np.zeros((5, 32), int)], ids=["nothing", "classes"])
def test_what_is_no_clips_is_refused(train, clips):
    with pytest.raises(ValueError, match="clips are `Clips`"):
        train(clips, clips)


def test_the_number_of_threads_changes_nothing():
    "The sums of numpy are the same on one thread and on four."
    code = """
from drum_qtuner import generate, load_pretrained
beats = generate(load_pretrained("drummer", only_play=True), 60, style="jazz", seed=5)
print(hash(tuple((beat.velocity.tobytes(), beat.offset.tobytes()) for beat in beats)))
"""
    said = set()
    for threads in ("1", "4"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")
        several = os.environ | dict.fromkeys(names[:3], threads) | {names[3]: "0"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=several, capture_output=True, text=True, check=True
        )
        said.add(done.stdout)
    assert len(said) == 1
