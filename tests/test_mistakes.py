"""Mistakes that students make are answered by name, with what to write instead."""

import numpy as np
import pytest
import torch

from drum_qtuner.batched_tuning import tune_many
from drum_qtuner.decoding import generate
from drum_qtuner.dqn_tuning import new_q_network, tune
from drum_qtuner.fast_tuning import fast_tune, fast_tune_many
from drum_qtuner.note_cnn import new_note_cnn, train

NOTE_CNN = new_note_cnn(seed=0)
TUNERS = [tune, fast_tune, tune_many, fast_tune_many]
LENGTH = {tune_many: "updates"}  # what `iterations` is called elsewhere
each_tuner = pytest.mark.parametrize("tuner", TUNERS, ids=lambda tuner: tuner.__name__)


@each_tuner
@pytest.mark.parametrize(
    "settings, answer",
    [
        (dict(iterations=1e4), "iterations=10_000"),
        (dict(iterations=0), "iterations must be at least 1"),
        (dict(gamma="0.5"), "say gamma=0.5"),
        (dict(gamma=1), "give a gamma below 1, or episode_steps=32"),
        (dict(gamma=1.5), "a discount from 0 to 1"),
        (dict(episode_steps=64), "the network sees only 32 steps"),
        (dict(episode_steps=8.5), "must be a whole number"),
        (dict(start="notecnn"), "start must be 'note_cnn' or 'random'"),
    ],
    ids=str,
)
def test_of_a_setting(tuner, settings, answer):
    length = LENGTH.get(tuner, "iterations")
    settings = dict(iterations=10) | settings
    settings[length] = settings.pop("iterations")
    with pytest.raises(ValueError, match=answer.replace("iterations", length)):
        tuner(NOTE_CNN, **settings)


@pytest.mark.parametrize("tuner", [tune, fast_tune])
@pytest.mark.parametrize(
    "settings, answer",
    [
        (dict(epsilon="0.1"), "say epsilon=0.1"),
        (dict(epsilon=2), "a share from 0 to 1"),
        (dict(seed=-1), "seed must be at least 0"),
    ],
    ids=str,
)
def test_of_one_run(tuner, settings, answer):
    with pytest.raises(ValueError, match=answer):
        tuner(NOTE_CNN, iterations=10, **settings)


@pytest.mark.parametrize(
    "settings, answer",
    [
        (dict(epsilons=["0.1"]), "say epsilon=0.1"),
        (dict(epsilons=0.1), r"say epsilons=\(0.1,\)"),
        (dict(seeds=[-1]), "seed must be at least 0"),
        (dict(seeds=3), r"say seeds=\(3,\)"),
    ],
    ids=str,
)
@pytest.mark.parametrize("tuner", [tune_many, fast_tune_many])
def test_of_many_runs(tuner, settings, answer):
    length = {LENGTH.get(tuner, "iterations"): 10}
    with pytest.raises(ValueError, match=answer):
        tuner(NOTE_CNN, **length, **settings)


@each_tuner
def test_a_name_is_no_network(tuner):
    with pytest.raises(ValueError, match="say load_pretrained.'note_cnn'"):
        tuner("note_cnn")


@pytest.mark.parametrize("tuner", [tune, fast_tune, tune_many])
def test_a_q_network_is_no_reward(tuner):
    with pytest.raises(ValueError, match="reward"):
        tuner(NOTE_CNN, reward=new_q_network(NOTE_CNN))


@pytest.mark.parametrize("tuner", [tune, fast_tune])
def test_gamma_1_is_allowed_where_beats_end(tuner):
    rewards = tuner(NOTE_CNN, iterations=40, gamma=1, episode_steps=32)[1]
    assert np.isfinite(rewards).all() and len(rewards) == 40


def test_a_forgotten_long():
    with pytest.raises(ValueError, match=r"\.long\(\)"):
        NOTE_CNN.scores(torch.zeros(1, 4))


def test_a_beat_of_another_kit():
    "A class that the network does not know, and a state of three classes for a network of ten."
    with pytest.raises(ValueError, match="0 to 9|10 classes"):
        NOTE_CNN.scores(torch.tensor([[0, 12]]))
    with pytest.raises(ValueError, match="10"):
        NOTE_CNN(torch.zeros(1, 3, 32))


@pytest.mark.parametrize(
    "settings, name",
    [(dict(n="3"), "n"), (dict(temperature="hot"), "temperature"), (dict(steps=30), "steps")],
    ids=str,
)
def test_of_generate(settings, name):
    with pytest.raises(ValueError, match=name):
        generate(NOTE_CNN, **dict(n=1) | settings)


def test_of_train():
    with pytest.raises(ValueError, match="clips_shown"):
        train(np.zeros((4, 32), int), clips_shown=1e4)
