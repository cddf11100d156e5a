"""Soft tuning of a model of the whole kit against the exact answer: two drums, two steps."""

import itertools

import numpy as np
import pytest
import torch

from drum_qtuner.density_ratio import density_ratio
from drum_qtuner.hits import HitsGRU
from drum_qtuner.percussion import SNARE, percussion_theory
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.rewards import LogProbability, Rule, Sum, WholeBeat, step_rewards
from drum_qtuner.soft_tuning import leave_one_out, log_policy, log_variance, soft_tune
from drum_qtuner.store import new_network
from drum_qtuner.tallies import tally

BEATS = np.array(list(itertools.product(range(4), repeat=2)))  # bass 1, snare 2, both 3


def two_drums(seed=0) -> HitsGRU:
    "A network that never strikes any other drum."
    model = new_network(lambda: HitsGRU(steps=2, hidden=12, read=12), seed)
    with torch.no_grad():
        model.output.weight[2:9], model.output.weight[10:] = 0.0, 0.0
        model.output.bias[2:9], model.output.bias[10:] = -40.0, 0.0
        model.output.bias[9] = 1.5  # whoever strikes the bass drum likes the snare with it
    return model.eval()


@tally()
def together(action, place, before):
    "Bass and snare at once are worth 1; what was played before once more costs 1/2."
    return ((action == 0) & (action == 1)) * 1.0 - 0.5 * (action == before(1))


def by_hand(beat) -> float:
    "The same of one beat of two patterns."
    return (beat == 3).sum() - 0.5 * (beat[0] == beat[1])


def p_of(model) -> np.ndarray:  # (16,)
    beats = torch.from_numpy(BEATS)
    with torch.no_grad():
        log_p = log_policy(model, beats).double().gather(2, beats[..., None]).sum((1, 2))
    return log_p.exp().numpy()


@pytest.mark.parametrize("kl_cost, loss", [(1.0, log_variance), (0.4, leave_one_out)])
def test_it_reaches_the_optimum(kl_cost, loss):
    "prior * exp(reward / c), normalised, for all sixteen beats."
    prior, earned = two_drums(), np.array([by_hand(beat) for beat in BEATS])
    how = dict(steps=2, updates=150, batch_size=64, learning_rate=0.03, kl_cost=kl_cost)
    policy, table = soft_tune(prior, together, loss, **how)
    before = p_of(prior)
    exact = before * np.exp(earned / kl_cost)
    exact /= exact.sum()
    assert before.sum() == pytest.approx(1, abs=1e-5)
    assert np.abs(before - exact).sum() / 2 > 0.15
    assert np.abs(p_of(policy) - exact).sum() / 2 < 0.02
    last = table.iloc[-1]
    np.testing.assert_allclose(last["reward"], exact @ earned, atol=0.15)
    np.testing.assert_allclose(last["kl"], exact @ np.log(exact / before), atol=0.1)


def sparse(seed) -> torch.Tensor:  # long (200, 64)
    return torch.from_numpy(np.random.default_rng(seed).integers(10, size=(200, 64)))


def test_one_drum_a_step_earns_what_it_earned():
    "Every rule of the theory, for strokes of which no two sound together."
    classes = sparse(0)
    strokes = classes[..., None] == torch.arange(9)
    for _, part in percussion_theory.terms().values():
        assert torch.equal(step_rewards(part, classes), step_rewards(part, strokes))
    assert torch.equal(
        step_rewards(percussion_theory, classes), step_rewards(percussion_theory, strokes)
    )


def test_a_hidden_hihat_is_heard():
    "In the paper's view a bass drum hides the hi-hat with it."
    strokes = torch.zeros(1, 32, 9, dtype=torch.bool)
    strokes[:, ::2, 6] = True  # closed hi-hat on all eighths
    strokes[:, ::8, 0] = strokes[:, 4::8, 1] = True
    timekeeping = percussion_theory.terms()["timekeeping"][1]
    # 14 of 16 go on, two cost a half each; above 8 a count is worth 1
    assert step_rewards(timekeeping, strokes).sum() == 1
    alone = strokes.clone()
    alone[..., :2] = False
    assert torch.equal(step_rewards(timekeeping, alone), step_rewards(timekeeping, strokes))
    backbeat = percussion_theory.terms()["backbeat"][1]
    assert step_rewards(backbeat, strokes).sum() == 1


def test_other_rewards_hear_the_loudest():
    "The first of the kit, as `Beat.classes` has it where all are equally loud."
    snares = Rule(lambda prefix: torch.eye(10)[SNARE].expand(len(prefix), 10), "snares")
    strokes = torch.zeros(1, 3, 9, dtype=torch.bool)
    strokes[0, 0, [1, 6]] = strokes[0, 1, [0, 1]] = strokes[0, 2, 1] = True
    assert step_rewards(snares, strokes)[0].tolist() == [1, 0, 1]
    assert step_rewards(2 * snares + together, strokes)[0].tolist() == [2, 1, 2]


def test_log_p_is_that_of_the_network():
    model = two_drums()
    reward = LogProbability(model)
    strokes = torch.from_numpy(model.codec.judged(BEATS))
    paid = step_rewards(Sum(reward), strokes).sum(1).exp()
    np.testing.assert_allclose(paid, p_of(model), atol=1e-6)


def test_realism_is_learned_from_strokes():
    clips = load_clips(split="validation", grid="performance", verbose=False)
    model = new_network(lambda: HitsGRU(hidden=6, read=6), 0)
    reward = density_ratio(model, clips, beats=200, updates=30)
    real = torch.from_numpy(clips.velocity[:200] > 0)
    noise = torch.from_numpy(np.random.default_rng(0).random((200, 32, 9)) < 0.5)
    assert reward.worth(real).mean() > reward.worth(noise).mean() + 1
    policy, table = soft_tune(model, reward, updates=2, batch_size=8)
    assert table["realism"].notna().all() and policy.card == model.card


class Wrong(WholeBeat):
    whole_kit = True

    def step_rewards(self, beats):
        return torch.full(beats.shape[:2], torch.nan)


@pytest.mark.parametrize(
    "reward, says",
    [
        (Wrong(), "Wrong: step_rewards must give a finite number"),
        (Rule(lambda prefix: torch.zeros(len(prefix), 512), "patterns"), r"\(batch, 10\)"),
        (Rule(lambda prefix: torch.zeros(len(prefix), 10), "kl"), "is called 'kl'"),
        ("theory", "rewards can be added"),
    ],
)
def test_what_cannot_judge_the_kit_is_refused(reward, says):
    with pytest.raises(ValueError, match=says):
        soft_tune(two_drums(), reward, steps=2, updates=1, batch_size=2)


def test_dropout_of_a_training_is_silent():
    prior = two_drums()
    prior.dropout = 0.5  # as `train_hits` leaves it
    table = soft_tune(prior, together, steps=2, updates=1, batch_size=8)[1]
    assert table["kl"][0] == 0


def test_drums_are_compared_with_equals_alone():
    @tally()
    def toms(action, place, before):
        return action >= 2

    with pytest.raises(ValueError, match="compare with == and !="):
        soft_tune(two_drums(), toms, steps=2, updates=1, batch_size=2)
