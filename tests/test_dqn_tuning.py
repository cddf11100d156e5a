"""The parts of deep Q-learning by hand, and a plain run that is the packaged one, can be repeated
and goes on to the same bits."""

import numpy as np
import pytest
import torch
from torch import nn

from drum_qtuner import dqn_tuning
from drum_qtuner.beat import REST
from drum_qtuner.dqn_tuning import (
    QNetwork,
    bellman_target,
    exploration,
    load_rewards,
    new_q_network,
    soft_update,
    tune,
    update,
)
from drum_qtuner.fit import weights
from drum_qtuner.note_cnn import states
from drum_qtuner.rewards import LogProbability
from drum_qtuner.store import load_pretrained

ROCK = torch.tensor([[0, 9, 6, 9, 1, 9, 6, 9, 0, 9, 6, 9]])


@pytest.fixture(scope="module")
def note_cnn():
    return load_pretrained("note_cnn")


def same(one, other) -> bool:
    "Are two tunings equal to the bit?"
    (q, rewards), (other_q, other_rewards) = one, other
    pairs = zip(weights(q).values(), weights(other_q).values(), strict=True)
    return np.array_equal(rewards, other_rewards) and all(torch.equal(a, b) for a, b in pairs)


def test_names_that_are_found_here():
    names = "CHECKPOINT_EVERY QIncrementalDecoder TuneSettings check_length load_rewards"
    assert {*names.split(), "shared_settings"} <= set(dqn_tuning.__all__)
    assert all(hasattr(dqn_tuning, name) for name in dqn_tuning.__all__)


def test_the_reward_is_a_log_of_probabilities(note_cnn):
    assert LogProbability(note_cnn).scores(ROCK).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_a_new_q_network_has_the_weights_and_not_the_memory(note_cnn):
    q = new_q_network(note_cnn)
    assert torch.equal(q.conv.weight, note_cnn.conv.weight)
    assert torch.equal(q.linear.weight, note_cnn.linear.weight)
    theirs = {parameter.data_ptr() for parameter in note_cnn.parameters()}
    assert not theirs & {parameter.data_ptr() for parameter in q.parameters()}
    assert sum(parameter.numel() for parameter in q.parameters()) == 44_074 - 9 * 33


@torch.no_grad()
def test_scores_append_each_action_and_the_decoder_agrees(note_cnn):
    q, two = new_q_network(note_cnn), ROCK.expand(2, -1)
    each = torch.cat([ROCK.expand(10, -1), torch.arange(10)[:, None]], 1)
    assert q.scores(two).shape == (2, 10)
    torch.testing.assert_close(q.scores(ROCK)[0], q(states(each))[:, 0])
    decoder = q.incremental(2)
    assert isinstance(decoder, dqn_tuning.QIncrementalDecoder)
    for t in range(13):
        fast = torch.from_numpy(decoder(two[:, :t].numpy()))
        torch.testing.assert_close(fast, q.scores(two[:, :t]), atol=1e-4, rtol=1e-4)


class Says345:
    def scores(self, sequence):
        return torch.tensor([[3.0, 5.0, 4.0]])


def test_the_target_by_hand():
    reward, state = torch.tensor([-1.0]), torch.zeros(1, 1).long()
    assert bellman_target(reward, state, Says345()).item() == -1 + 0.5 * 5
    assert bellman_target(reward, state, Says345(), gamma=0.9).item() == pytest.approx(-1 + 4.5)
    assert bellman_target(reward, state, Says345(), final=True).item() == -1


def test_a_soft_update_by_hand():
    slow, fast = nn.Linear(1, 1), nn.Linear(1, 1)
    nn.init.constant_(slow.weight, 2.0)
    nn.init.constant_(fast.weight, 4.0)
    soft_update(slow, fast)
    assert slow.weight.item() == pytest.approx(0.99 * 2 + 0.01 * 4)
    assert fast.weight.item() == 4


def test_an_update_by_hand():
    "All is 0 but the last bias, so Q = 1: the loss is (3 - 1)^2, its slope -4, Adam's step 0.001."
    tiny = QNetwork(classes=3, steps=4, channels=2, kernel=3, hidden=2)
    for parameter in tiny.parameters():
        nn.init.zeros_(parameter)
    nn.init.ones_(tiny.output.bias)
    adam = torch.optim.Adam(tiny.parameters(), 1e-3)
    assert update(tiny, adam, torch.tensor([[0, 2]]), torch.tensor([3.0])) == pytest.approx(4)
    assert tiny.output.bias.grad.item() == pytest.approx(-4)
    assert tiny.output.bias.item() == pytest.approx(1.001)


def test_exploration_begins_alike_in_runs_of_any_length():
    choices = exploration(100_000, 0.1, 10, seed=0)
    assert (choices >= 0).mean() == pytest.approx(0.1, abs=0.005)
    assert choices[0] >= 0 and np.array_equal(choices[:1000], exploration(999, 0.1, 10, seed=0))


def test_the_packaged_log_is_of_this_code(note_cnn):
    first = tune(note_cnn, epsilon=0.1, iterations=1_000)[1]
    assert first.dtype == np.float32 and (first <= 0).all()
    np.testing.assert_allclose(first, load_rewards("dqn-0.1", "first")[:1000], atol=1e-3)


def test_the_same_luck_gives_the_same_network(note_cnn):
    assert same(tune(note_cnn, iterations=100), tune(note_cnn, iterations=100))


class Silence:
    "Pays for rests."

    def scores(self, prefix):
        return torch.eye(10)[REST].expand(len(prefix), -1)


@pytest.mark.parametrize("episode_steps", [None, 8])
def test_goes_on_to_the_same_bits_and_from_no_other_run(
    note_cnn, tmp_path, monkeypatch, episode_steps
):
    def stop_at_70(i, q):
        if i == 70:
            raise InterruptedError

    monkeypatch.setattr(dqn_tuning, "CHECKPOINT_EVERY", 30)
    file = tmp_path / "run.safetensors"
    settings = dict(iterations=100, episode_steps=episode_steps)
    with pytest.raises(InterruptedError):
        tune(note_cnn, checkpoint=file, callback=stop_at_70, **settings)
    resumed = tune(note_cnn, checkpoint=file, **settings)
    assert same(resumed, tune(note_cnn, **settings))
    with pytest.raises(ValueError, match="iterations = 100"):
        tune(note_cnn, checkpoint=file, **settings | dict(iterations=200))
    with pytest.raises(ValueError, match=r"not \['Silence', 'best_value', 'greedy'\]"):
        tune(note_cnn, checkpoint=file, reward=Silence(), **settings)
