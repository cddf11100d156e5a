"""Any object with `scores(prefix)` is a reward: learned where the answer is known, or refused."""

import copy
import itertools

import numpy as np
import pytest
import torch

from drum_qtuner.batched_tuning import tune_many
from drum_qtuner.dqn_tuning import bellman_target, new_q_network, tune
from drum_qtuner.fit import weights
from drum_qtuner.note_cnn import new_note_cnn
from drum_qtuner.rewards import LOG_SMALLEST, LogProbability, check_reward, earned, log_probability
from drum_qtuner.store import load_pretrained

TOY = dict(classes=3, steps=4, channels=64, kernel=4, hidden=32)


@pytest.fixture(scope="module")
def note_cnn():
    return load_pretrained("note_cnn")


class Backbeat:
    "Pays for the snare on beats two and four."

    def scores(self, prefix):
        paid = torch.zeros(len(prefix), 10)
        paid[:, 1] = float(prefix.shape[1] % 8 == 4)
        return paid


class Sum:
    "Two rewards added."

    def __init__(self, *parts):
        self.parts = parts

    def scores(self, prefix):
        return sum(part.scores(prefix) for part in self.parts)


class Table:
    "A worth for every sound after every other, drawn once for each step; three sounds, four steps."

    def __init__(self, seed):
        drawn = np.random.default_rng(seed).normal(size=(4, 3, 3)).astype(np.float32)
        beginnings = (p for t in range(1, 4) for p in itertools.product(range(3), repeat=t))
        self.worth = {p: drawn[len(p), p[-1]] for p in beginnings}

    def scores(self, prefix):
        nothing = np.zeros(3, np.float32)  # after the last step
        return torch.tensor(np.array([self.worth.get(tuple(p), nothing) for p in prefix.tolist()]))


def by_dynamic_programming(worth, gamma=0.5) -> dict:
    "The exact Q(s, a), from the last step backwards; nothing of the package is used."
    exact = {}
    for prefix in sorted(worth, key=len, reverse=True):
        after = [max(exact.get((*prefix, a), [0.0])) for a in range(3)]
        exact[prefix] = np.array([r + gamma * v for r, v in zip(worth[prefix], after)])
    return exact


def check_learned(q, exact):
    "The values are right to a tenth, and no action of the network costs more than that."
    with torch.no_grad():
        learned = np.array([q.scores(torch.tensor([p]))[0].numpy() for p in exact])
    values = np.array(list(exact.values()))
    cost = values.max(1) - values[np.arange(len(values)), learned.argmax(1)]
    assert np.ptp(values) > 3 and len(values) == 39
    assert abs(learned - values).mean() < 0.1 and cost.max() < 0.1


def test_tune_finds_the_exact_values_of_a_reward_of_ones_own():
    "Thirty-nine states, solved by dynamic programming, which uses nothing of the package."
    table = Table(0)
    settings = dict(episode_steps=4, learning_rate=2e-3, eta=0.05, reward=table)
    q, rewards = tune(new_note_cnn(3, **TOY), 1.0, 6_000, **settings)
    check_learned(q, by_dynamic_programming(table.worth))
    assert set(rewards) <= {worth for row in table.worth.values() for worth in row}


def test_tune_many_finds_them_too():
    table = Table(1)
    settings = dict(updates=2_000, n_envs=16, replay=50, episode_steps=4, eta=0.05, reward=table)
    (q,), _ = tune_many(new_note_cnn(3, **TOY), (1.0,), **settings)
    check_learned(q, by_dynamic_programming(table.worth))


def test_a_sum_of_two_rewards(note_cnn):
    "In the plain loop and in the batched one, and both are paid the same."
    both = Sum(LogProbability(note_cnn), Backbeat())
    q, rewards = tune(note_cnn, 0.3, 150, reward=both)
    (other,), batched = tune_many(note_cnn, (0.3,), updates=150, n_envs=1, reward=both)
    np.testing.assert_allclose(batched[0], rewards, atol=1e-4)
    for name, tensor in weights(q).items():
        torch.testing.assert_close(tensor, weights(other)[name], atol=1e-5, rtol=0)
    assert not np.allclose(rewards, tune(note_cnn, 0.3, 150)[1])


def test_tune_many_asks_for_all_players_at_once(note_cnn):
    "Replicas x players beginnings of one length, at most 32, and short again in a new beat."
    seen = []

    class Listens(Backbeat):
        def scores(self, prefix):
            seen.append(tuple(prefix.shape))
            return super().scores(prefix)

    settings = dict(epsilons=(0.1, 0.5), seeds=(0, 1), n_envs=3, reward=Listens())
    tune_many(note_cnn, updates=40, **settings)
    assert seen[2:] == [(12, min(t, 32)) for t in range(1, 41)]  # the first two are the check
    seen.clear()
    tune_many(note_cnn, updates=10, episode_steps=4, **settings)
    assert seen[2:] == [(12, 1 + t % 3) for t in range(10)]


@pytest.mark.parametrize("log_zero", [None, -18.42])
def test_log_p_is_the_default_and_the_same_when_it_is_given(note_cnn, log_zero):
    sure = copy.deepcopy(note_cnn)
    with torch.no_grad():
        sure.output.weight *= 25
    settings = dict(epsilon=1.0, iterations=60, learning_rate=1e-5)
    q, rewards = tune(sure, log_zero=log_zero, **settings)
    given, same = tune(sure, reward=LogProbability(sure, log_zero), **settings)
    assert np.array_equal(rewards, same)
    assert all(torch.equal(a, b) for a, b in zip(q.parameters(), given.parameters()))
    assert (rewards < LOG_SMALLEST).any() == (log_zero is None)
    settings = dict(epsilons=(1.0,), updates=60, n_envs=1, learning_rate=1e-5)
    _, many = tune_many(sure, reward=LogProbability(sure, log_zero), **settings)
    np.testing.assert_allclose(many[0], rewards, rtol=1e-4, atol=1e-4)


def test_log_probability_is_what_was_earned(note_cnn):
    prefix = torch.tensor([[0, 9, 6, 9], [1, 1, 1, 1]])
    action = torch.tensor([1, 9])
    exact = note_cnn.scores(prefix).double().softmax(1).log()[[0, 1], action]
    found = log_probability(note_cnn, prefix, action)
    torch.testing.assert_close(found.double(), exact.detach(), atol=1e-5, rtol=0)
    assert not found.requires_grad
    assert earned(Backbeat(), prefix, action).tolist() == [1.0, 0.0]


def test_value_and_policy_can_be_exchanged(note_cnn, tmp_path, monkeypatch):
    "A soft value and a policy that draws lots; a resumed run draws the same."
    monkeypatch.setattr("drum_qtuner.dqn_tuning.CHECKPOINT_EVERY", 20)

    def soft_value(values):
        return values.logsumexp(-1)

    def draws(values, iteration):
        lot = torch.Generator().manual_seed(iteration)
        noise = torch.rand(values.shape, generator=lot).log().neg().log().neg()
        return (values + noise).argmax(-1)

    class Says:
        def scores(self, prefix):
            return torch.zeros(1, 4)

    reward, state = torch.tensor([1.0]), torch.zeros(1, 2).long()
    found = bellman_target(reward, state, Says(), gamma=0.5, value=soft_value)
    assert found.item() == pytest.approx(1 + 0.5 * np.log(4))

    settings = dict(iterations=60, value=soft_value, policy=draws)
    whole = tune(note_cnn, **settings)
    assert not np.array_equal(whole[1], tune(note_cnn, iterations=60)[1])
    parts = dict(value=soft_value, policy=draws)
    _, many = tune_many(note_cnn, updates=60, n_envs=1, **parts)
    np.testing.assert_allclose(many[0], whole[1], atol=1e-4)

    def stop(iteration, q):
        if iteration == 50:
            raise RuntimeError("stopped")

    file = tmp_path / "run.safetensors"
    with pytest.raises(RuntimeError, match="stopped"):
        tune(note_cnn, checkpoint=file, callback=stop, **settings)
    with pytest.raises(ValueError, match="'soft_value', 'draws'.* not .*'best_value', 'greedy'"):
        tune(note_cnn, checkpoint=file, iterations=60)
    with pytest.raises(ValueError, match="not .*'Backbeat'"):
        tune(note_cnn, checkpoint=file, reward=Backbeat(), **settings)
    resumed = tune(note_cnn, checkpoint=file, **settings)
    assert np.array_equal(resumed[1], whole[1])
    assert all(torch.equal(a, b) for a, b in zip(resumed[0].parameters(), whole[0].parameters()))


class Answers:
    "A reward with one answer to everything."

    def __init__(self, answer):
        self.answer = answer

    def __repr__(self):  # names the test
        return f"Answers({type(self.answer).__name__} {np.shape(self.answer)})"

    def scores(self, prefix):
        return self.answer


@pytest.mark.parametrize("engine", [tune, tune_many], ids=["tune", "tune_many"])
@pytest.mark.parametrize(
    "wrong, message",
    [
        (0.5, "a method scores.*0.5 is none"),
        (Backbeat, "is an object with a method"),
        (len, "a method scores"),
        (Answers(torch.zeros(10)), r"Answers.*\(batch, 10\).*it gave \(10,\)"),
        (Answers(torch.zeros(2, 9)), r"it gave \(2, 9\)"),
        (Answers(torch.zeros(1, 10)), r"it gave \(1, 10\)"),
        (Answers(torch.zeros(2, 10).long()), "not torch.int64"),
        (Answers(np.zeros((2, 10))), "not float64"),
        (Answers([[0.0] * 10] * 2), "not list"),
        (Answers(torch.full((2, 10), -torch.inf)), "NaN or infinity"),
        (Answers(torch.full((2, 10), torch.nan)), "NaN or infinity"),
    ],
    ids=str,
)
def test_what_is_no_reward_is_named(note_cnn, engine, wrong, message):
    with pytest.raises(ValueError, match=message):
        engine(note_cnn, reward=wrong)


def test_a_network_is_no_reward(note_cnn):
    q = new_q_network(note_cnn)
    with pytest.raises(ValueError, match="scores of a QNetwork are logits or values"):
        tune(note_cnn, reward=q)
    with pytest.raises(ValueError, match="scores of a NoteCNN are logits or values"):
        check_reward(note_cnn)
    with pytest.raises(ValueError, match="a QNetwork has no p"):
        LogProbability(q)
    with pytest.raises(ValueError, match="a QNetwork has been tuned already"):
        tune(q)
    with pytest.raises(ValueError, match="log_zero belongs to the Note-CNN's reward"):
        tune(note_cnn, reward=Backbeat(), log_zero=-18.0)
