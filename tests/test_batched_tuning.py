"""Tuning with many environments at once is `tune` again with one, and takes any reward."""

import itertools

import numpy as np
import pytest
import torch

from drum_qtuner.batched_tuning import StackedLogProbability, batched_reward, tune_many
from drum_qtuner.dqn_tuning import tune
from drum_qtuner.fit import weights
from drum_qtuner.note_cnn import new_note_cnn
from drum_qtuner.rewards import LOG_SMALLEST, LogProbability
from drum_qtuner.store import load_pretrained


@pytest.fixture(scope="module")
def note_cnn():
    return load_pretrained("note_cnn")


def difference(one, other) -> float:
    "The largest difference between two networks' weights."
    return max(
        (a - b).abs().max().item() for a, b in zip(weights(one).values(), weights(other).values())
    )


@pytest.mark.parametrize("episode_steps", [None, 2])
def test_many_with_one_player_is_tune(note_cnn, episode_steps):
    networks, rewards = tune_many(
        note_cnn, (0.1, 0.3), (0, 1), updates=60, n_envs=1, episode_steps=episode_steps
    )
    assert rewards.shape == (4, 60) and rewards.dtype == np.float32
    for network, row, (epsilon, seed) in zip(
        networks, rewards, itertools.product((0.1, 0.3), (0, 1))
    ):
        q, plain = tune(note_cnn, epsilon, 60, seed)
        if episode_steps is None:
            np.testing.assert_allclose(row, plain, atol=1e-4)
            assert difference(network, q) < 1e-5
        else:
            assert not np.allclose(row, plain)


def test_replicas_and_players_do_not_disturb_each_other(note_cnn):
    "A replica learns the same alone and among others, and a replay of one round is no replay."
    settings = dict(updates=40, n_envs=3, episode_steps=16)
    alone, rewards = tune_many(note_cnn, (0.3,), (5,), replay=1, **settings)
    among, many_rewards = tune_many(note_cnn, (0.1, 0.3), (5, 6), **settings)
    np.testing.assert_allclose(many_rewards[2], rewards[0], atol=1e-4)
    assert difference(among[2], alone[0]) < 1e-4


def test_replay_repeats_itself(note_cnn):
    "Same seed, same bits, and another result than without a memory."
    settings = dict(updates=30, n_envs=4, episode_steps=8)
    one, two = (
        tune_many(note_cnn, replay=20, **settings),
        tune_many(note_cnn, replay=20, **settings),
    )
    assert np.array_equal(one[1], two[1]) and difference(one[0][0], two[0][0]) == 0
    assert difference(one[0][0], tune_many(note_cnn, **settings)[0][0]) > 1e-3


@pytest.mark.parametrize("steps", [1, 5, 32])
@pytest.mark.parametrize("log_zero", [None, -18.0])
def test_stacked_log_p_is_log_p(note_cnn, steps, log_zero):
    "For beginnings of any length, an odd network, and one that is far too sure of itself."
    odd = new_note_cnn(5, classes=4, channels=10, kernel=4, hidden=7)
    sure = new_note_cnn(0)
    with torch.no_grad():
        sure.output.weight *= 5_000
    for model in (note_cnn, odd, sure):
        prefix = torch.randint(model.classes, (6, steps), generator=torch.manual_seed(steps))
        plain = LogProbability(model, log_zero)
        stacked = batched_reward(plain, model)
        assert type(stacked) is StackedLogProbability
        torch.testing.assert_close(
            stacked.scores(prefix), plain.scores(prefix), atol=1e-4, rtol=1e-4
        )
    assert (plain.scores(prefix) < LOG_SMALLEST).any() == (log_zero is None)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (dict(n_envs=0), "n_envs must be at least 1"),
        (dict(replay=-1), "replay must be at least 0"),
        (dict(seeds=()), "at least one epsilon and one seed"),
        (dict(episode_steps=33), "sees only 32 steps"),
        (dict(start="zero"), "start must be"),
        (dict(reward=0.0), "0.0 is none"),
        (dict(epsilons=(0.1, 3)), "epsilon = 3: give a share"),
        (dict(updates=0), "at least 1"),
    ],
)
def test_many_refuses(note_cnn, wrong, message):
    with pytest.raises(ValueError, match=message):
        tune_many(note_cnn, **wrong)
