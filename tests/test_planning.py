"""Do intervals keep their promise, and what does a plan find?"""

import pytest

from drum_qtuner.planning import interval_coverage, plan


def test_the_floor_keeps_unison_from_being_certainty():
    held = interval_coverage([4, 0, -4], raters=5, spread=0, classes=200, draws=50)
    assert held["listeners"] > 0.93 > 0.5 > held["without_floor"]


def test_intervals_keep_their_promise():
    held = interval_coverage([1, 0.3, -0.3, -1], raters=8, spread=1.2, classes=300, draws=100)
    assert 0.92 < held["listeners"] <= 1
    assert (
        held["without_floor"] <= held["listeners"]
        and held["listeners_percentile"] < held["listeners"]
        and held["votes_percentile"] < 0.93
    )


def test_more_listeners_and_bigger_differences_are_found_oftener():
    few, many = plan(1, raters=(4, 16), rounds=(1,), models=4, classes=100, draws=60)[1]
    more = plan(1, raters=(16,), rounds=(3,), models=4, classes=100, draws=60).iloc[0, 0]
    nothing = plan(0, raters=(16,), rounds=(1,), models=4, classes=400, draws=60).iloc[0, 0]
    assert few < many < more and 0.01 < nothing < 0.09
    for wrong in (dict(models=1), dict(raters=()), dict(raters=1), dict(rounds=0), dict(classes=0)):
        with pytest.raises(ValueError, match="at least 2 models"):
            plan(1, **wrong)
    assert plan(1, raters=4, rounds=1, models=4, classes=100, draws=60).iloc[0, 0] == few
