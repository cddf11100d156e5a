"""Counts and strengths on listeners whose taste is known, against other programs and by hand."""

import choix
import numpy as np
import pandas as pd
import pytest
from blind import SMALL, STRENGTHS, published, small, table
from hypothesis import given, settings
from hypothesis import strategies as st

from drum_qtuner.answers import pool
from drum_qtuner.evaluation import PREFERRED, preference_test
from drum_qtuner.preferences import PRIOR, bradley_terry, counts, strengths, wins
from drum_qtuner.rehearsal import rehearse
from drum_qtuner.reliability import agreement, consistency


def test_the_published_counts():
    answers = table([published()])
    counted = counts(answers)
    assert (counted["compared"] == 50).all() and sorted(counted["preferred"]) == sorted(
        PREFERRED.values()
    )
    assert preference_test(counted["preferred"].to_dict()).statistic == pytest.approx(
        62.32, abs=1e-9
    )
    maximum = choix.ilsr_pairwise_dense(
        published()
    )  # with balanced pairs the counts are all that it looks at
    assert maximum[0] - maximum[3] == pytest.approx(0.98, abs=0.005)
    fitted = bradley_terry(published())
    assert 0.85 < fitted[0] - fitted[3] < 0.98  # the extra votes pull together


def test_strengths_agree_with_choix_also_where_one_always_wins():
    random = np.random.default_rng(0)
    for models, scale, each in ((2, 1, 1), (6, 1, 10), (8, 5, 3), (12, 3, 200)):
        strength = scale * random.standard_normal((20, models))
        won = np.triu(
            random.binomial(each, 1 / (1 + np.exp(strength[:, None] - strength[:, :, None]))), 1
        )
        won = won + np.tril(each - won.swapaxes(1, 2), -1)
        for one, found in zip(won, bradley_terry(won)):
            expected = choix.ilsr_pairwise_dense(one + 0.1 * (1 - np.eye(models)), max_iter=10_000)
            assert found == pytest.approx(expected - expected.mean(), abs=1e-4)


def test_strengths_agree_with_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    won = np.random.default_rng(0).integers(1, 9, (5, 5)) * (1 - np.eye(5))
    a, b = np.argwhere(won).T
    x = np.eye(5)[a] - np.eye(5)[b]
    weight = won[a, b] + 0.1
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000).fit(
        np.r_[x, -x], np.r_[np.ones(20), np.zeros(20)], np.r_[weight, weight]
    )
    assert bradley_terry(won) == pytest.approx(model.coef_[0] - model.coef_[0].mean(), abs=1e-4)


def test_ties_are_half_a_vote_each():
    answers = table([np.array([[0, 1], [0, 0]])] * 2)
    answers.loc[1, "answer"] = "none"
    assert counts(answers)["preferred"].to_dict() == dict(m0=1.5, m1=0.5)


def test_all_ties_tell_nothing(tmp_path):
    plan = small(ties=True)
    rehearse(plan, STRENGTHS, ["a", "b", "c"], tmp_path, doubt=1e9)
    answers, _ = pool(tmp_path)
    assert (
        (answers["answer"] == "none").all()
        and (counts(answers)["share"] == 0.5).all()
        and (consistency(answers)["repeats_same"] == 1).all()
    )
    found = strengths(answers)
    assert (
        (found["strength"].abs() < 1e-9).all()
        and (found["low"] < -0.5).all()
        and (found["high"] > 0.5).all()
    )
    assert consistency(answers)["circles"].isna().all()
    with pytest.raises(ValueError, match="and a preference"):
        agreement(answers)


@given(st.integers(2, 9), st.integers(0, 2**32 - 1), st.integers(0, 6))
@settings(deadline=None)
def test_strengths_are_finite_and_a_maximum_whatever_the_counts(models, seed, digits):
    random = np.random.default_rng(seed)
    each = 10**digits
    won = random.choice(
        [
            random.integers(0, each + 1, (models, models)),
            each * np.triu(np.ones((models, models))),
            each * np.eye(models, k=1),
        ]
    ) * (1 - np.eye(models))
    found = bradley_terry(won)
    votes = won + PRIOR * (1 - np.eye(models))
    expected = (votes + votes.T) / (1 + np.exp(found - found[:, None]))
    assert (
        np.isfinite(found).all()
        and abs(found.sum()) < 1e-6
        and np.abs(votes.sum(1) - expected.sum(1)).max() < 1e-6 * (1 + each)
    )


def test_counts_that_are_none_are_refused():
    for wrong in ([[0, -1], [1, 0]], [[0, np.nan], [1, 0]], [[0, 1]], 3):
        with pytest.raises(ValueError, match="square of counts"):
            bradley_terry(wrong)
    with pytest.raises(ValueError, match="lacks m1"):
        wins(table([np.array([[0, 1], [0, 0]])]), ["m0"])
    with pytest.raises(ValueError, match="lacks human, random"):
        rehearse(SMALL, {"secret one": 1, "secret two": 2}, ["a"], "never made")


def test_unison_is_not_certainty():
    always = strengths(table([np.array([[0, 1], [0, 0]])] * 5), against="m1").loc["m0"]
    p = (
        5.1 / 5.2
    )  # with the extra votes; two models: the variance of the difference is 1 / (votes p (1 - p))
    half = 1.959964 / np.sqrt(5.2 * p * (1 - p))
    assert (
        always.tolist()
        == pytest.approx([np.log(51), np.log(51) - half, np.log(51) + half], abs=1e-4)
        and always["low"] < 0
    )


def test_known_strengths_are_recovered(tmp_path):
    plan = small(rounds=4, ties=True)
    rehearse(plan, STRENGTHS, [f"robot{i}" for i in range(80)], tmp_path)
    answers, _ = pool(tmp_path)
    found = strengths(answers, draws=60)
    true = pd.Series(STRENGTHS)
    assert (found["strength"] - true).abs().max() < 0.25 and found["high"].sub(
        found["low"]
    ).max() < 0.8
    against = strengths(answers, against="human", draws=60)
    assert against.loc["human"].tolist() == [0, 0, 0] and against.loc["random", "high"] < 0
    with pytest.raises(ValueError, match="nobody heard"):
        strengths(answers, against="nobody")
