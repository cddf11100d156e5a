"""Soft tuning against the exact answer: a kit of three sounds, beats of four steps, 81 in all."""

import copy
import itertools
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from drum_qtuner import soft_tuning
from drum_qtuner.density_ratio import density_ratio
from drum_qtuner.dqn_tuning import new_q_network
from drum_qtuner.fit import load_checkpoint, weights
from drum_qtuner.gru import new_gru
from drum_qtuner.note_cnn import new_note_cnn
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.rewards import Addable, Rule, WholeBeat, rule
from drum_qtuner.soft_tuning import (
    Episodes,
    SoftSettings,
    SoftTuning,
    entropy,
    kl,
    leave_one_out,
    log_policy,
    log_variance,
    soft_tune,
    tune_to_real,
)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SOUNDS, STEPS = 3, 4
BEATS = np.array(list(itertools.product(range(SOUNDS), repeat=STEPS)))  # (81, 4)
BEGINNINGS = [p for t in range(STEPS) for p in itertools.product(range(SOUNDS), repeat=t)]
NUMBER = {beginning: i for i, beginning in enumerate(BEGINNINGS)}
FIRST = torch.tensor([0, 1, 4, 13])  # the number of the first beginning of each length


def numbers(sequence) -> torch.Tensor:  # long (beats, t) to long (beats, t + 1)
    "The number of each beginning of some beats, from the empty one to all of it."
    found = [torch.zeros(len(sequence), dtype=torch.long)]
    for sound in sequence.T:
        found.append(SOUNDS * found[-1] + sound)
    return torch.stack(found, 1) + FIRST[: len(found)]


class Table(nn.Module):
    "A policy without a network: logits for each of the forty beginnings."

    classes = SOUNDS

    def __init__(self, seed):
        super().__init__()
        drawn = np.random.default_rng(seed).normal(size=(len(BEGINNINGS), SOUNDS))
        self.logits = nn.Parameter(torch.tensor(drawn).float())

    def all_scores(self, sequence):
        return self.logits[numbers(sequence)]

    def scores(self, prefix):
        return self.all_scores(prefix)[:, -1]


def pays(seed) -> np.ndarray:  # (40 beginnings, 3 sounds)
    "What each next sound is worth after each beginning."
    return np.random.default_rng(seed).normal(size=(len(BEGINNINGS), SOUNDS))


def reward_of(pay) -> Rule:
    worth = torch.from_numpy(pay).float()

    @rule
    def toy_reward(prefix):
        return worth[numbers(prefix[:, : STEPS - 1])[:, -1]]

    return toy_reward


def along(table) -> np.ndarray:  # (81,)
    "The numbers of a table (40, 3) that each beat passes, added up."
    rows = [[NUMBER[tuple(beat[:t])] for t in range(STEPS)] for beat in BEATS.tolist()]
    return table[np.array(rows), BEATS].sum(1)


def log_p(logits) -> np.ndarray:  # (81,)
    "log p of each beat, by numpy alone, from logits (40, 3)."
    logits = np.asarray(logits, float)
    return along(logits - np.log(np.exp(logits).sum(1, keepdims=True)))


def optimum(prior, pay, kl_cost) -> np.ndarray:  # (81,)
    "prior * exp(reward / c), normalised."
    p = np.exp(log_p(prior.logits.detach()) + along(pay) / kl_cost)
    return p / p.sum()


def apart(policy, exact) -> float:
    "Total variation: the share of beats that would have to be exchanged."
    return np.abs(np.exp(log_p(policy.logits.detach())) - exact).sum() / 2


def tuned(kl_cost, updates, loss=log_variance, **more):
    "A policy, and how far it and its prior are from the optimum."
    prior, pay = Table(0), pays(1)
    settings = dict(steps=STEPS, learning_rate=0.1, batch_size=128, kl_cost=kl_cost) | more
    policy, table = soft_tune(prior, reward_of(pay), loss, updates=updates, **settings)
    exact = optimum(prior, pay, kl_cost)
    return policy, table, apart(policy, exact), apart(prior, exact)


@pytest.mark.parametrize("kl_cost, updates", [(0.5, 600), (1.0, 250), (4.0, 200)])
def test_it_reaches_the_optimum(kl_cost, updates):
    "To a thousandth, from a prior that is far away; and the prior stays as it was."
    policy, table, after, before = tuned(kl_cost, updates)
    assert before > 0.1 and after < 1e-3
    last, p = table.iloc[-1], np.exp(log_p(policy.logits.detach()))
    np.testing.assert_allclose(last["reward"], p @ along(pays(1)), atol=0.1)
    nats = p @ (log_p(policy.logits.detach()) - log_p(Table(0).logits.detach()))
    np.testing.assert_allclose(last["kl"], nats, atol=0.1)
    np.testing.assert_allclose(last["entropy"], -(p @ np.log(p)), atol=0.1)


def test_leave_one_out_reaches_it_too():
    assert tuned(1.0, 250, leave_one_out)[2] < 1e-3


def test_no_reward_no_change():
    prior = Table(0)
    policy, table = soft_tune(prior, reward_of(0 * pays(1)), steps=STEPS, updates=3, batch_size=8)
    assert torch.equal(policy.logits, prior.logits) and policy.logits is not prior.logits
    assert table["kl"].abs().max() == 0


def episodes(policy, prior, pay, numbers) -> Episodes:
    "The beats of these numbers, from 0 to 80."
    classes = torch.from_numpy(BEATS[numbers])
    rows = [[NUMBER[tuple(beat[:t])] for t in range(STEPS)] for beat in BEATS[numbers].tolist()]
    earned = torch.from_numpy(pay[np.array(rows), BEATS[numbers]]).double()
    with torch.no_grad():
        before = log_policy(prior, classes).double()
    return Episodes(classes, log_policy(policy, classes).double(), before, earned)


def test_what_episodes_know():
    "KL, entropy and ratio against sums over all 81 beats."
    policy, prior = Table(2), Table(3)
    p, q = (log_p(model.logits.detach()) for model in (policy, prior))
    played = episodes(policy, prior, pays(1), np.arange(81))
    share = np.exp(p)
    np.testing.assert_allclose(played.log_ratio().sum(1).detach(), p - q, atol=1e-5)
    np.testing.assert_allclose(share @ kl(played).detach().numpy(), share @ (p - q), atol=1e-5)
    np.testing.assert_allclose(share @ entropy(played).detach().numpy(), -share @ p, atol=1e-5)
    # one beat, by hand: at each step the KL of three numbers
    logits = [np.asarray(m.logits.detach(), float) for m in (policy, prior)]
    now, before = (x - np.log(np.exp(x).sum(1, keepdims=True)) for x in logits)
    rows = [NUMBER[tuple(BEATS[50][:t])] for t in range(STEPS)]
    by_hand = sum(np.exp(now[i]) @ (now[i] - before[i]) for i in rows)
    np.testing.assert_allclose(kl(played)[50].item(), by_hand, atol=1e-5)
    assert (kl(played) >= 0).all()


def objective(logits, prior, pay, kl_cost) -> float:
    "E[reward] / c - KL(policy || prior), over all beats."
    p = log_p(logits)
    return np.exp(p) @ (along(pay) / kl_cost - p + log_p(prior.logits.detach()))


def slope(policy, prior, pay, kl_cost) -> np.ndarray:  # (40, 3)
    "Of the objective, by differences."
    logits, found = policy.logits.detach().double().numpy(), np.zeros((len(BEGINNINGS), SOUNDS))
    for i, k in np.ndindex(found.shape):
        step = np.zeros_like(logits)
        step[i, k] = 1e-5
        up, down = (objective(logits + way * step, prior, pay, kl_cost) for way in (1, -1))
        found[i, k] = (up - down) / 2e-5
    return found


def test_the_gradient_is_that_of_the_objective():
    "In expectation over all 6,561 pairs of beats, each as likely as the policy makes it."
    policy, prior, pay, kl_cost = Table(2), Table(3), pays(4), 0.7
    p = np.exp(log_p(policy.logits.detach()))
    both = episodes(policy, prior, pay, np.arange(81))

    def of_pairs():
        for i, k in itertools.combinations(range(81), 2):  # two times the same have no slope
            pair = [i, k]
            picked = (x[pair] for x in (both.classes, both.policy, both.prior, both.reward))
            yield 2 * p[i] * p[k] * log_variance(Episodes(*picked), kl_cost)

    expected = torch.autograd.grad(sum(of_pairs()), policy.logits)[0]
    np.testing.assert_allclose(expected, -slope(policy, prior, pay, kl_cost), atol=1e-5)


def test_both_losses_have_the_same_gradient():
    "Of every batch: the half variance, and REINFORCE with the mean of the others and the KL paid."
    policy, prior = Table(2), Table(3)
    for n, kl_cost in ((2, 1.0), (7, 0.3), (300, 5.0)):
        numbers = np.random.default_rng(n).integers(81, size=n)
        one, other = (
            torch.autograd.grad(
                loss(episodes(policy, prior, pays(4), numbers), kl_cost), policy.logits
            )[0]
            for loss in (log_variance, leave_one_out)
        )
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@rule
def rests(prefix):
    "A rest is worth 1."
    return torch.eye(10)[9].expand(len(prefix), 10)


@pytest.fixture(scope="module")
def gru():
    return new_gru(0, hidden=6).eval()


def same(one, other) -> bool:
    "Two policies, to the last bit."
    return all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())


SMALL = dict(updates=8, batch_size=4)


@pytest.fixture(scope="module")
def finished(gru):
    return soft_tune(gru, rests, **SMALL)


def interrupt_at(update):
    def callback(done, policy):
        if done == update:
            raise KeyboardInterrupt

    return callback


@pytest.mark.parametrize("update", [1, 5, 8])
def test_it_goes_on_where_it_was_interrupted(gru, finished, tmp_path, update):
    "The same bits, and the same table."
    path = tmp_path / "there.safetensors"
    with pytest.raises(KeyboardInterrupt):
        soft_tune(gru, rests, checkpoint=path, callback=interrupt_at(update), **SMALL)
    seen = []
    policy, table = soft_tune(
        gru, rests, checkpoint=path, callback=lambda done, _: seen.append(done), **SMALL
    )
    assert seen == list(range(update + 1, 9))
    assert same(policy, finished[0]) and table.equals(finished[1])


def test_any_number_of_threads_gives_the_same_bits(gru, finished):
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            with threadpool_limits(n):
                policy, table = soft_tune(gru, rests, **SMALL)
            assert same(policy, finished[0]) and table.equals(finished[1])
    finally:
        torch.set_num_threads(threads)


def test_beats_are_played_on_one_thread():
    "The GRU and the Note-CNN play with numpy, whose sums depend on the number of threads."
    from threadpoolctl import threadpool_info, threadpool_limits

    seen = set()

    class Watched(Table):
        def scores(self, prefix):
            seen.update(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
            return super().scores(prefix)

    with threadpool_limits(2):
        soft_tune(Watched(0), reward_of(pays(1)), steps=STEPS, **SMALL)
    assert seen == {1}


def test_a_checkpoint_of_another_tuning_is_refused(gru, finished, tmp_path):
    path = tmp_path / "there.safetensors"
    soft_tune(gru, rests, checkpoint=path, **SMALL)
    before = path.read_bytes()
    other = copy.deepcopy(gru)
    with torch.no_grad():
        other.output.bias[0] += 1e-6
    for prior, reward, more, word in [
        (gru, 2 * rests, {}, "2 rests"),
        (gru, Rule(rests.scores, "silence"), {}, "silence"),
        (other, rests, {}, "network"),
        (gru, rests, dict(loss=leave_one_out), "leave_one_out"),
        (gru, rests, dict(seed=1), "seed = 0, not 1"),
        (gru, rests, dict(kl_cost=2.0), "kl_cost = 1.0, not 2.0"),
        (gru, rests, dict(updates=9), "updates = 8, not 9"),
    ]:
        with pytest.raises(ValueError, match="belongs to a training with") as told:
            soft_tune(prior, reward, checkpoint=path, **SMALL | more)
        assert word in str(told.value) and path.name in str(told.value)
    assert path.read_bytes() == before
    assert same(soft_tune(gru, rests, checkpoint=path, **SMALL)[0], finished[0])


@pytest.mark.parametrize(
    "wrong",
    [
        dict(updates=0),
        dict(updates=2.5),
        dict(batch_size=1),
        dict(steps=0),
        dict(seed=-1),
        dict(kl_cost=0),
        dict(kl_cost=float("nan")),
        dict(learning_rate="0.001"),
    ],
    ids=str,
)
def test_wrong_settings_are_named(gru, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        soft_tune(gru, rests, **SMALL | wrong)


def test_the_learning_rate_falls_in_the_second_half():
    s = SoftSettings(updates=10, learning_rate=0.2)
    np.testing.assert_allclose([s.rate(k) for k in (0, 4, 5, 8, 9)], [0.2, 0.2, 0.2, 0.08, 0.04])


def test_the_table_adds_up(gru):
    "The reward is the sum of its parts, weights included; KL is 0 at the beginning."
    crashes = Rule(lambda prefix: torch.eye(10)[7].expand(len(prefix), 10), "crashes")
    table = soft_tune(gru, 3 * rests - 0.5 * crashes, **SMALL)[1]
    assert list(table["updates"]) == list(range(1, 9)) and table["kl"][0] == 0
    np.testing.assert_allclose(table["reward"], table["rests"] + table["crashes"], atol=1e-5)
    assert (table["rests"] > 0).all() and (table["crashes"] < 0).all()


class SameEnds(WholeBeat):
    "Worth 1 if the first and the last step are the same."

    name = "same ends"

    def worth(self, classes):
        return (classes[:, 0] == classes[:, -1]).float()


@pytest.mark.parametrize("steps, most", [(32, 1), (64, 2), (40, 1)])
def test_whole_beats_are_judged_every_two_bars(gru, steps, most):
    note_cnn = new_note_cnn(0, channels=2, hidden=2)
    for prior in (gru, note_cnn):
        tuning = SoftTuning(prior, 1.0 * SameEnds(), log_variance, SoftSettings(steps=steps))
        assert tuning(prior, 0).isfinite()
        row = tuning.figures()
        assert 0 < row["reward"] < most and row["same ends"] == row["reward"] and row["kl"] == 0


def refused(*arguments, **settings) -> str:
    "The one line that a user sees."
    with pytest.raises(ValueError) as told:
        soft_tune(*arguments, **SMALL | settings)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("kind", ["Q-network", "name", "class"])
def test_a_prior_needs_probabilities(gru, kind):
    q = new_q_network(new_note_cnn(0, channels=2, hidden=2))
    wrong = {"Q-network": q, "name": "gru", "class": type(gru)}[kind]
    assert "prior" in refused(wrong, rests)


def test_a_reward_that_gives_nan_is_named(gru):
    def scores(prefix):
        worth = torch.zeros(len(prefix), 10)
        if prefix.shape[1]:
            worth[prefix[:, 0] == 5] = torch.nan
        return worth

    assert "root" in refused(gru, Rule(scores, "root"), batch_size=64)


@pytest.mark.parametrize("name", ["reward", "kl", "entropy", "updates", "round"])
def test_a_part_cannot_have_the_name_of_a_column(gru, name):
    class Ones(Addable):
        def scores(self, prefix):
            return torch.ones(len(prefix), 10)

    part = Ones()
    assert list(part.terms()) == ["Ones"]  # as long as it has no name of its own
    part.name = name
    assert f"is called {name!r}" in refused(gru, 2 * part + rests)


def test_a_refused_checkpoint_is_told_in_one_line(gru, tmp_path):
    path = tmp_path / "there.safetensors"
    soft_tune(gru, rests, checkpoint=path, **SMALL)
    assert "2 rests" in refused(gru, 2 * rests, checkpoint=path)


def test_the_dropout_of_a_prior_is_silent():
    prior = new_gru(0, dropout=0.5, hidden=6)  # as a training begins
    policy, table = soft_tune(prior, rests, **SMALL)
    assert table["kl"][0] == 0


def test_a_kit_of_three_sounds_is_tuned_too():
    note_cnn = new_note_cnn(0, classes=3, steps=4, channels=2, kernel=2, hidden=2)
    reward = Rule(lambda prefix: torch.eye(3)[2].expand(len(prefix), 3), "rests")
    assert len(soft_tune(note_cnn, reward, steps=4, **SMALL)[1]) == 8


# Rounds


@pytest.fixture(scope="module")
def clips():
    return load_clips(split="validation", verbose=False)


@pytest.fixture
def asked(monkeypatch):
    "The policies for which a reward was learned, quickly and badly."
    policies, quick = [], partial(density_ratio, beats=30, updates=3)

    def learned(policy, clips, **how):
        policies.append(policy)
        return quick(policy, clips, **how)

    monkeypatch.setattr(soft_tuning, "density_ratio", learned)
    return policies


def test_each_round_learns_its_reward_from_the_policy_before(gru, clips, asked, tmp_path):
    "And goes on where it was interrupted, to the same bits."
    policy, table = tune_to_real(gru, clips, rounds=2, **SMALL)
    assert list(table["round"]) == [1] * 8 + [2] * 8 and list(table["updates"][8:]) == [
        *range(1, 9)
    ]
    assert asked[0] is gru and not same(asked[1], gru) and not same(asked[1], policy)
    assert table["kl"][0] == table["kl"][8] == 0  # each begins at the policy before

    updates = []

    def interrupt(done, policy):
        updates.append(done)
        if len(updates) == 12:  # in the second round
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_to_real(gru, clips, rounds=2, folder=tmp_path, callback=interrupt, **SMALL)
    first = load_checkpoint(tmp_path / "round-0.safetensors", {})[0]["model"]
    assert all(torch.equal(value, first[name]) for name, value in weights(asked[1]).items())
    again, same_table = tune_to_real(
        gru,
        clips,
        rounds=2,
        folder=tmp_path,
        callback=lambda done, _: updates.append(done),
        **SMALL,
    )
    assert updates == [*range(1, 9), *range(1, 9)]
    assert same(again, policy) and same_table.equals(table)


@pytest.mark.parametrize("rounds", [0, "3", 1.5])
def test_rounds_are_a_whole_number(gru, clips, asked, rounds):
    with pytest.raises(ValueError, match="rounds"):
        tune_to_real(gru, clips, rounds=rounds, **SMALL)


def test_a_loss_that_is_no_number_stops_the_tuning(gru):
    with pytest.raises(ValueError, match="the loss of update 1 is nan"):
        soft_tune(gru, rests, loss=lambda p, c: p.log_ratio().sum() * float("nan"), **SMALL)


def test_rounds_are_refused_before_anything_is_learned(gru):
    clips = load_clips(split="validation", verbose=False)
    with pytest.raises(ValueError, match="steps = 16, but the real clips have 32"):
        tune_to_real(gru, clips, 1, **SMALL | {"steps": 16})
    with pytest.raises(ValueError, match="prior of a soft tuning"):
        tune_to_real("gru", clips, 1)
