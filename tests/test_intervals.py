"""Groups, intervals and splits: what was drawn together stays together."""

import numpy as np
import pytest
import scipy.stats
import torch
from beats import ROCK, few_clips
from hypothesis import given
from hypothesis import strategies as st

from drum_qtuner.beat import Beat
from drum_qtuner.intervals import (
    data_label,
    deal,
    groups,
    interval,
    leave_one_out,
    near_twins,
    real_clips,
)
from drum_qtuner.preprocessing import Clips, load_clips

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


def test_groups_are_performances(clips):
    info = clips.info[~clips.info["session"].str.endswith("eval_session")]
    rest = clips.select(~clips.info["session"].str.endswith("eval_session"))
    assert groups(rest).tolist() == info["id"].tolist()


def test_a_groove_that_four_drummers_played_is_one_group():
    "By the data set's own table: 40 performances of ten grooves, in the test split alone."
    test = load_clips(split="test", verbose=False)
    same = test.info["session"].str.endswith("eval_session")
    assert test.info["id"][same].nunique() == 40 and same.sum() == 600
    assert len(set(groups(test.select(same)))) == 10
    assert len(set(groups(test))) == test.info["id"].nunique() - 30
    each = test.info[same].groupby(groups(test.select(same)))["drummer"].nunique()
    assert (each == 4).all()


def changed(beat, steps):
    "A beat that differs in some steps of both bars."
    classes = beat.classes()
    classes[::2][:steps] = (classes[::2][:steps] + 1) % 10
    return Beat.from_classes(classes)


def test_near_twins_by_hand():
    far = [Beat.from_classes([sound] * 32) for sound in (3, 4, 5, 7)]
    for steps, together in ((15, True), (16, True)):
        number = near_twins([ROCK, changed(ROCK, steps), *far])
        assert (number[0] == number[1]) == together, steps
    twice = Beat.from_classes((ROCK.classes() + 1) % 10)
    assert len(set(near_twins([ROCK, twice, *far]).tolist())) == 6
    first, second, third = ([sound, 9, 9, sound] * 4 for sound in (0, 1, 2))
    chain = [Beat.from_classes(bars) for bars in (first + second, second + third)]
    number = near_twins([*chain, *far])  # the second goes on where the first ends
    assert number[0] == number[1] and len(set(number.tolist())) == 5


def test_near_twins_are_the_clusters_of_scikit_learn(clips):
    from sklearn.cluster import AgglomerativeClustering

    some = clips.select(slice(0, 300))
    rows = some.classes
    far = np.array([[(a != b).mean() for b in rows] for a in rows])
    late = np.array([[2 * (a[16:] != b[:16]).mean() for b in rows] for a in rows])
    far = np.minimum(far, np.minimum(late, late.T)) * (1 - np.eye(300))
    theirs = AgglomerativeClustering(
        None, metric="precomputed", linkage="average", distance_threshold=0.5
    ).fit_predict(far)
    mine = near_twins(some)
    assert ((mine[:, None] == mine) == (theirs[:, None] == theirs)).mean() > 0.999  # ties


def test_one_beat_for_ever_is_drawn_again_and_again():
    assert len(set(near_twins([ROCK] * 6).tolist())) == 6
    assert len(set(near_twins([ROCK] * 3 + [Beat.from_classes([8] * 32)] * 3).tolist())) == 2
    assert len(set(near_twins([Beat.from_classes([0] * 16)] * 2).tolist())) == 2  # of one bar
    assert near_twins([ROCK]).tolist() == [0]


def test_too_many_beats_for_twins(clips):
    with pytest.raises(ValueError, match="10,001 beats are too many"):
        near_twins([ROCK] * 10_001)


def test_who_is_left_out_is_in_no_other_part(clips):
    for by in ("drummer", "session"):
        seen = 0
        for name, others, theirs in leave_one_out(clips, by):
            assert set(theirs.info[by]) == {name} and name not in set(others.info[by])
            assert len(others) + len(theirs) == len(clips)
            seen += len(theirs)
        assert seen == len(clips)
    with pytest.raises(ValueError, match="not one 'bar'"):
        next(leave_one_out(clips, "bar"))


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
    assert set(groups(parts.held)) == seen[1] | seen[2] and len(parts.known) == len(clips)
    assert len(parts.held) == len(parts.first) + len(parts.second)
