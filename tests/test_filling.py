"""Filling in: what is known stays, the player is the network, and the chances are chances."""

from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from drum_qtuner import filling
from drum_qtuner.filling import FillingPlayer, fill
from drum_qtuner.filling_gru import FillingGRU, draw_known, gap_nats, train_filling
from drum_qtuner.fit import network_hash
from drum_qtuner.hits import pattern_scores
from drum_qtuner.patterns import pattern_numbers
from drum_qtuner.store import new_network

SIZES = dict(later=6, earlier=7, read=8)


def lively(seed: int = 0) -> FillingGRU:
    "A small network whose answers differ widely."
    model = new_network(lambda: FillingGRU(**SIZES), seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model.eval()


def some(n: int, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    "Random hits, and a random part of them that is known."
    rng = np.random.default_rng(seed)
    shape = (n, steps, 9)
    return rng.random(shape) < 0.3, rng.random(shape) < rng.random((n, 1, 1))


@given(st.integers(1, 3), st.sampled_from([16, 32, 48, 64]), st.integers(0, 99))
@hypothesis_settings(max_examples=15, deadline=None)
def test_what_is_known_stays_and_the_same_luck_gives_the_same(n, steps, seed):
    "Whatever is known, hits and silences; and what was given elsewhere has no say."
    (hits, known), player = some(n, steps, seed), lively().player()
    filled = fill(player, hits, known, np.random.default_rng(seed))
    assert filled.dtype == bool and (filled == hits)[known].all()
    again = fill(player, hits ^ ~known, known, np.random.default_rng(seed))
    assert (again == filled).all()


def test_the_player_says_what_the_network_says(monkeypatch):
    "Its log p of all patterns at every step, while it is made to play a given beat."
    model, (truth, known) = lively(), some(4, 48, 0)
    known[:, 5] = True  # a step of which nothing is open
    said, where = [], iter(np.flatnonzero(~known.all((0, 2))))

    def listen(log_p, decode, temperature, rng):
        said.append((next(where), log_p))
        return pattern_numbers(truth[~known[:, said[-1][0]].all(1), said[-1][0]])

    monkeypatch.setattr(filling, "_choose", listen)
    assert (fill(model.player(), truth, known, None) == truth).all()
    with torch.no_grad():
        scores = pattern_scores(model(torch.from_numpy(truth).float(), torch.from_numpy(known)))
    assert len(said) == 47
    for t, log_p in said:
        todo = ~known[:, t].all(1)
        ours, theirs = np.exp(log_p), scores[:, t].exp().numpy()[todo]
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
        np.testing.assert_allclose(ours.sum(1), 1)


def test_all_fillings_together_have_probability_one():
    "Six open cells in three steps: the 64 fillings, one by one."
    model, (hits, _) = lively(), some(1, 32, 1)
    steps, drums = [3, 3, 9, 9, 25, 25], [0, 4, 1, 2, 8, 0]
    fillings = np.repeat(hits, 2**6, 0)
    fillings[:, steps, drums] = list(product([False, True], repeat=6))
    known = np.ones(hits.shape, bool)
    known[:, steps, drums] = False
    known = torch.from_numpy(np.repeat(known, len(fillings), 0))
    each = torch.from_numpy(fillings).float()
    with torch.no_grad():
        nats = [3 * gap_nats(model, one[None], k[None]).item() for one, k in zip(each, known)]
    assert np.exp(-np.array(nats)).sum() == pytest.approx(1, abs=1e-4)
    assert np.std(nats) > 0.1


def test_a_beat_is_filled_as_if_it_were_alone():
    "Batch against single, the likeliest each time."
    player, (hits, known) = lively().player(), some(5, 32, 3)
    together = fill(player, hits, known, np.random.default_rng(0), "argmax")
    for i in range(5):
        alone = fill(player, hits[i : i + 1], known[i], np.random.default_rng(0), "argmax")
        assert (alone[0] == together[i]).all()


def test_it_learns_that_the_second_bar_repeats_the_first():
    "Then there is one right filling, of the first bar, of the second, and of some drums."
    bars = np.random.default_rng(0).random((1_000, 16, 9)) < 0.3
    clips = SimpleNamespace(velocity=np.tile(bars, (1, 2, 1)).astype(np.uint8))
    few = SimpleNamespace(velocity=clips.velocity[:60])
    settings = dict(batch_size=32, learning_rate=0.03, dropout=0.0, later=4, earlier=4, read=32)
    model, _ = train_filling(clips, few, clips_shown=6_400, **settings)
    new = np.tile(np.random.default_rng(1).random((20, 16, 9)) < 0.3, (1, 2, 1))
    known = np.zeros((3, 32, 9), bool)
    known[0, 16:] = known[1, :16] = known[2, 16:] = known[2, :, :4] = True
    for part in known:
        filled = fill(model.player(), new, part, np.random.default_rng(0), "argmax")
        assert (filled == new).all()


def test_the_same_seed_gives_the_same_weights_without_dropout():
    "Gaps are drawn in the loss: two threads that share a batch would share that luck."
    clips = SimpleNamespace(velocity=some(60, 32, 0)[0].astype(np.uint8))
    short = dict(clips_shown=1_000, batch_size=20, dropout=0.0, **SIZES)
    assert len({network_hash(train_filling(clips, clips, **short)[0]) for _ in range(4)}) == 1


def test_a_training_that_was_interrupted_ends_the_same(tmp_path):
    "The gaps are drawn again as they were."
    clips = SimpleNamespace(velocity=some(60, 32, 0)[0].astype(np.uint8))
    short = dict(clips_shown=800, batch_size=20, seed=3, **SIZES)
    whole, _ = train_filling(clips, clips, **short)

    def stop(updates, model):
        if updates == 25:
            raise KeyboardInterrupt

    file = tmp_path / "training.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train_filling(clips, clips, checkpoint=file, callback=stop, **short)
    resumed, _ = train_filling(clips, clips, checkpoint=file, **short)
    assert network_hash(whole) == network_hash(resumed)


@pytest.mark.parametrize(
    "hits, known, words",
    [
        (np.zeros((1, 32, 9)), np.ones((32, 9), bool), "hits are True and False"),
        (np.zeros((32, 9), bool), np.ones((32, 9), bool), "hits are True and False"),
        (np.zeros((1, 32, 9), bool), np.ones((16, 9), bool), "known is True and False"),
        (np.zeros((1, 32, 9), bool), np.ones((32, 9)), "known is True and False"),
    ],
)
def test_a_mistake_is_named(hits, known, words):
    "Of the caller."
    with pytest.raises(ValueError, match=words):
        fill(lively().player(), hits, known, np.random.default_rng(0))


def test_gaps_are_what_they_are_called():
    "One kind after the other; a stretch has one beginning and one end."
    gap = ~draw_known(600, 32, torch.Generator().manual_seed(0)).numpy()
    steps, drums = gap.any(2), gap.any(1)
    edges = np.diff(steps[0::6].astype(int), axis=1)
    assert (gap[0::6].all(2) == steps[0::6]).all() and ((edges != 0).sum(1) <= 2).all()
    assert (gap[1::6].all(1) == drums[1::6]).all()
    assert (gap[2::6] == (steps[2::6, :, None] & drums[2::6, None])).all()
    assert steps[4::6, -1].all() and steps[5::6, 0].all()
    assert 0.4 < gap[3::6].mean() < 0.6


def test_the_shapes_of_the_player_are_those_of_the_network():
    "By name, in order."
    shapes = {name: tuple(value.shape) for name, value in FillingGRU().state_dict().items()}
    assert shapes == FillingPlayer.shapes(**FillingGRU().sizes)
