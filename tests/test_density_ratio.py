"""The density ratio: a reward learned from two sets, checked where the ratio is known."""

import math

import numpy as np
import pytest
import torch

from drum_qtuner.density_ratio import DensityRatio, density_ratio, train_discriminator
from drum_qtuner.fit import network_hash
from drum_qtuner.gru import new_gru
from drum_qtuner.intervals import groups
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.rewards import check_reward, step_rewards

QUICK = dict(beats=30, updates=3)


@pytest.fixture(scope="module")
def clips():
    return load_clips(split="validation", verbose=False)


@pytest.fixture(scope="module")
def policy():
    return new_gru(0, hidden=6).eval()


def test_it_learns_the_logarithm_of_the_ratio():
    "Three of four real beats are the first, and one of four made ones: log 3 and -log 3."
    one, other = torch.randint(10, (2, 32), generator=torch.Generator().manual_seed(0))
    few, many = (torch.stack([one] * n + [other] * (4 - n)) for n in (1, 3))
    judge = train_discriminator(many, few, updates=300)
    found = DensityRatio([judge]).worth(torch.stack([one, other]))
    np.testing.assert_allclose(found, [math.log(3), -math.log(3)], atol=0.25)


def test_no_answer_counts_for_more_than_the_limit():
    class Sure(torch.nn.Module):
        def __init__(self, says):
            super().__init__()
            self.says = says

        def forward(self, classes):
            return torch.full((len(classes),), self.says)

    beats = torch.zeros(2, 32).long()
    assert DensityRatio([Sure(50.0)]).worth(beats).tolist() == [6, 6]
    assert DensityRatio([Sure(-50.0), Sure(1.0)]).worth(beats).tolist() == [-2.5, -2.5]
    assert DensityRatio([Sure(50.0)], limit=2.0).worth(beats).tolist() == [2, 2]


def test_same_seed_same_reward(policy, clips):
    "Whatever else has drawn from torch's numbers, on one thread or two; and it draws none of them."
    threads, reward = torch.get_num_threads(), density_ratio(policy, clips, **QUICK)
    try:
        torch.set_num_threads(3 - min(threads, 2))
        torch.manual_seed(5)
        before = torch.get_rng_state()
        again = density_ratio(policy, clips, **QUICK)
        assert torch.equal(torch.get_rng_state(), before)
    finally:
        torch.set_num_threads(threads)
    other = density_ratio(policy, clips, seed=1, **QUICK)
    one, two, three = (network_hash(each.discriminators) for each in (reward, again, other))
    assert one == two != three


def test_it_judges_without_dropout(policy, clips):
    "Twice the same, and without a slope."
    reward = density_ratio(policy, clips, **QUICK)
    beats = torch.from_numpy(clips.classes[:50]).long()
    first = step_rewards(reward, beats)
    assert torch.equal(first, step_rewards(reward, beats)) and not first.requires_grad
    assert check_reward(reward) is reward
    assert (first[:, :31] == 0).all() and first[:, 31].unique().numel() > 40


def test_each_discriminator_learns_from_other_performances(policy, clips, monkeypatch):
    seen = []

    def learn(real, made, updates, seed):
        seen.append({beat.tobytes() for beat in real.numpy()})
        return train_discriminator(real, made, updates, seed)

    monkeypatch.setattr("drum_qtuner.density_ratio.train_discriminator", learn)
    density_ratio(policy, clips, **QUICK)
    whose: dict[bytes, set] = {}
    for beat, performance in zip(clips.classes.astype(np.int64), groups(clips)):
        whose.setdefault(beat.tobytes(), set()).add(performance)
    alone = [{p for beat in half if len(whose[beat]) == 1 for p in whose[beat]} for half in seen]
    assert len(alone[0]) > 5 and len(alone[1]) > 5 and not alone[0] & alone[1]


def test_one_performance_is_not_enough(policy, clips):
    first = groups(clips)[0]
    alone = clips.select(groups(clips) == first)
    with pytest.raises(ValueError, match="two performances"):
        density_ratio(policy, alone, **QUICK)
