"""Do listeners agree with themselves and with each other: known listeners, dice, and nobody."""

from pathlib import Path

import numpy as np
import pytest
from blind import answered_by_two, published, table

from drum_qtuner.answers import pool
from drum_qtuner.preferences import counts, strengths, wins
from drum_qtuner.rehearsal import simulate
from drum_qtuner.reliability import agreement, consistency


@pytest.fixture
def folder(tmp_path) -> Path:
    "The answers of two people."
    return answered_by_two(tmp_path)


@pytest.mark.parametrize("analysis", [counts, strengths, consistency, agreement, wins])
def test_nothing_judged_is_said_so(analysis, folder):
    answers, _ = pool(folder)
    for none in (answers[:0], answers[answers["kind"] == "practice"]):
        with pytest.raises(ValueError, match="nobody has judged a pair"):
            analysis(none)


def test_one_listener_has_no_interval_and_agrees_with_nobody():
    for analysis in (strengths, agreement):
        with pytest.raises(ValueError, match="two listeners"):
            analysis(table([published()]))


def test_consistency_of_listeners_who_are_known(folder):
    answers, _ = pool(folder)
    own = answers[answers["rater"] == "ann"]
    order = consistency(
        answers.assign(answer=np.where(answers["first"] < answers["second"], "first", "second"))
    ).loc["ann"]  # by the alphabet
    assert order["circles"] == 0 and order["repeats_same"] == 1 and order["human_over_random"] == 1
    stubborn = consistency(answers.assign(answer="first")).loc["ann"]
    assert stubborn["first"] == 1 and stubborn["repeats_same"] == 0
    one = answers[
        (answers["rater"] == "bob") | (answers["kind"] == "practice")
    ]  # the other did not get further
    assert consistency(one).index.tolist() == ["bob"]
    assert stubborn["pairs"] == (own["kind"] == "pair").sum() and stubborn["seconds"] == 3.5


def test_agreement_is_one_in_unison_and_none_with_dice():
    unison = np.triu(np.ones((4, 4)), 1)
    assert agreement(table([unison] * 5)) == 1
    dice = np.random.default_rng(0)
    assert abs(agreement(table(simulate(np.zeros(6), 200, rng=dice)))) < 0.02
    gaps = [unison * (dice.random((4, 4)) < 0.8) for _ in range(6)]
    assert agreement(table(gaps)) == 1  # who left pairs out disagrees with nobody
