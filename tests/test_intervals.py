"""Groups, intervals and splits: what was drawn together stays together."""

import numpy as np
import pytest
import scipy.stats
import torch
from beats import ROCK, few_clips
from hypothesis import given
from hypothesis import strategies as st

from drum_qtuner.intervals import data_label, deal, groups, interval, real_clips
from drum_qtuner.preprocessing import Clips

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


def test_groups_are_performances(clips):
    assert len(set(groups(clips))) == clips.info["id"].nunique()
    assert groups([ROCK, ROCK]).tolist() == [0, 1]


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(2, 5), st.integers(0, 5))
def test_deal_keeps_groups_together(group, parts, seed):
    part = deal(np.array(group), parts, seed)
    assert set(part) <= set(range(parts)) and 0 in part
    assert all(len(set(part[np.array(group) == g])) == 1 for g in group)


@pytest.mark.parametrize("group", [[], [[1, 2]], [1, np.nan], ["a", None], 3])
def test_groups_that_are_none(group):
    for function in (deal, lambda group: interval(len, group)):
        with pytest.raises(ValueError, match="groups are a flat array"):
            function(np.array(group))


def test_too_few_parts_and_draws():
    with pytest.raises(ValueError, match="one part"):
        deal(np.arange(3), 0)
    with pytest.raises(ValueError, match="two draws"):
        interval(len, np.arange(3), draws=1)
    with pytest.raises(ValueError, match="two draws"):
        interval(len)


def test_interval_covers_what_it_should():
    "Twenty performances of twenty like clips: by performance 95%, by clip far less."
    rng, hits = np.random.default_rng(0), {"performance": 0, "clip": 0}
    group = np.repeat(np.arange(20), 20)
    for trial in range(200):
        x = np.repeat(rng.normal(size=20), 20) + rng.normal(size=400) / 2
        for name, g in {"performance": group, "clip": np.arange(400)}.items():
            _, low, high = interval(lambda i, x=x: x[i].mean(), g, seed=trial)
            hits[name] += low < 0 < high
    assert hits["performance"] > 200 * 0.88 and hits["clip"] < 200 * 0.6


def test_interval_agrees_with_scipy():
    x = np.random.default_rng(0).gamma(2, size=100)
    theirs = scipy.stats.bootstrap((x,), np.mean, n_resamples=4000, random_state=0).standard_error
    for replace in (True, False):
        value, low, high = interval(
            lambda i: x[i].mean(), np.arange(100), draws=4000, replace=replace
        )
        assert (
            value == x.mean()
            and (high - value) / 1.96 == pytest.approx(theirs, rel=0.05)
            and value - low == pytest.approx(high - value)
        )


def test_final_compares_with_the_test_split(clips):
    chosen, final = real_clips(clips), real_clips(clips, final=True)
    assert set(final.second.info["split"]) == {"test"} and set(final.first.info["split"]) == {
        "validation"
    }
    assert set(chosen.second.info["split"]) == set(chosen.first.info["split"]) == {"validation"}
    assert not set(groups(chosen.first)) & set(groups(chosen.second))


def test_clips_say_what_they_are(clips):
    label = data_label(clips)
    assert label == f"{clips.origin.name} ({clips.origin.hash[:12]})"
    assert data_label(clips.split("test")) == label


def test_real_clips_are_whole_performances_of_three_kinds(clips):
    parts = real_clips(clips)
    seen = [set(groups(part)) for part in (parts.train, parts.first, parts.second)]
    assert len(set.union(*seen)) == sum(map(len, seen))
