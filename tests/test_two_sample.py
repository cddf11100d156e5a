"""The two-sample test: performances never on both sides, and accuracies against scikit-learn."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from beats import few_clips, random_beats, some

from drum_qtuner.beat import Beat
from drum_qtuner.intervals import real_clips
from drum_qtuner.preprocessing import Clips
from drum_qtuner.two_sample import CLASSIFIERS, accuracies, two_sample

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


def test_two_sample_never_mixes_performances(clips):
    seen = []

    def spy(hits, labels, judged, seed):
        seen.append((hits, labels, judged))
        return np.zeros(len(judged), bool)

    parts = real_clips(clips)
    verdicts = two_sample(parts.train, parts.first, parts.second, size=50, classifiers={"spy": spy})
    assert verdicts.groupby("run")["real"].mean().tolist() == [0.5, 0.5] and len(seen) == 2
    assert (
        accuracies(verdicts).loc["worst", "value"] == 0.5
    )  # who always says "real" is right about real clips
    by_run = [set(part["group"]) for _, part in verdicts.groupby("run")]
    assert not by_run[0] & by_run[1]
    for hits, labels, judged in seen:
        assert len(hits) == 100 and labels.sum() == 50 and labels[:50].all() and len(judged) == 100


def test_cross_validation_judges_each_performance_once(clips):
    parts = real_clips(clips)
    verdicts = two_sample(
        random_beats(300),
        parts.first,
        parts.second,
        folds=5,
        classifiers={"none": lambda hits, labels, judged, seed: np.ones(len(judged), bool)},
    )
    judged = verdicts[verdicts["real"]].groupby("group")["run"].nunique()
    assert verdicts["run"].nunique() == 5 and (judged == 1).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_classifier_tells_random_from_real_and_nothing_from_itself(clips, name):
    parts, classifier = real_clips(clips), {name: CLASSIFIERS[name]}
    told = {
        what: (
            accuracies(
                two_sample(beats, parts.first, parts.second, size=150, classifiers=classifier)
            ).loc[name, "value"]
        )
        for what, beats in {
            "random": random_beats(300),
            "same": some(parts.first, 150) + some(parts.second, 150),
        }.items()
    }
    assert told["random"] > 0.85 and told["same"] < 0.65


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_repeat_themselves(clips, name):
    parts, beats = real_clips(clips), random_beats(80)
    shorter = {} if name == "boosting" else {"updates": 40}  # every draw is made in the first ones
    classifier = {name: partial(CLASSIFIERS[name], **shorter)}
    one, two = (
        two_sample(beats, parts.first, parts.second, 40, classifiers=classifier, seed=3)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, two)


def test_two_sample_wants_enough(clips):
    parts = real_clips(clips)
    for beats, size in ((random_beats(30), 1000), (random_beats(90), 0), (random_beats(90), -5)):
        with pytest.raises(ValueError, match="needs 20 generated"):
            two_sample(beats, parts.first, parts.second, size)


@pytest.mark.parametrize(
    "options", [dict(repeats=0), dict(folds=1), dict(folds=0), dict(classifiers={})]
)
def test_two_sample_refuses_options(clips, options):
    parts = real_clips(clips)
    with pytest.raises(ValueError, match="one repeat or more, and two folds"):
        two_sample(random_beats(90), parts.first, parts.second, **options)


def test_two_sample_refuses_what_is_unfair(clips):
    parts = real_clips(clips)
    with pytest.raises(ValueError, match="by heart"):
        two_sample(random_beats(90), parts.first, parts.first)
    with pytest.raises(ValueError, match="number of steps, not 16"):
        two_sample([Beat.from_classes([0] * 16)] * 90, parts.first, parts.second)


def test_every_set_meets_the_same_real_clips(clips):
    parts, seen = real_clips(clips), []

    def spy(hits, labels, judged, seed):
        seen.append((seed, hits[~labels].tobytes(), judged[len(judged) // 2 :].tobytes()))
        return np.zeros(len(judged), bool)

    for beats in (parts.train, random_beats(200)):
        two_sample(beats, parts.first, parts.second, size=50, repeats=2, classifiers={"spy": spy})
    assert seen[:4] == seen[4:] and len(set(seen)) == 4


def made_up(right, seed=0, performances=20, beats=200):
    "Verdicts on five clips of each performance and on beats, right with these probabilities."
    rng, tables = np.random.default_rng(seed), []
    for name, probability in right.items():
        for real, group in (
            (True, np.repeat(np.arange(performances), 5)),
            (False, np.arange(beats)),
        ):
            tables.append(
                pd.DataFrame(
                    dict(
                        classifier=name,
                        run=0,
                        real=real,
                        group=group.astype(str),
                        correct=rng.random(len(group)) < probability,
                    )
                )
            )
    return pd.concat(tables, ignore_index=True)


def test_accuracies_agree_with_scikit_learn():
    from sklearn.metrics import balanced_accuracy_score

    verdicts, floor = made_up({"a": 0.9, "b": 0.7}), made_up({"a": 0.5, "b": 0.6}, seed=1)

    def theirs(table):
        return {
            name: balanced_accuracy_score(part["real"], part["real"] == part["correct"])
            for name, part in table.groupby("classifier")
        }

    table, expected = accuracies(verdicts, floor=floor), theirs(verdicts)
    assert table.index.tolist() == ["a", "b", "worst", "excess"]
    np.testing.assert_allclose(
        table["value"],
        [
            expected["a"],
            expected["b"],
            max(expected.values()),
            max(expected.values()) - max(theirs(floor).values()),
        ],
    )
    pd.testing.assert_frame_equal(
        accuracies(verdicts), accuracies(verdicts, floor=floor)[:3], atol=0.03
    )  # other draws, near intervals


def test_interval_of_the_excess_knows_that_the_performances_are_the_same():
    "Where only performances matter, the excess is certain, though each accuracy is not."
    verdicts = made_up({"a": 0.9})
    verdicts["correct"] = ~verdicts["real"] | (verdicts["group"].astype(int) % 2 == 0)
    table = accuracies(verdicts, floor=verdicts)
    widths = table["high"] - table["low"]
    assert (
        table["value"].tolist() == [0.75, 0.75, 0]
        and widths["worst"] > 0.1
        and widths["excess"] == 0
    )


def test_verdicts_that_are_not_whole():
    for table in (made_up({"a": 0.9})[:0], made_up({"a": 0.9}).query("real")):
        with pytest.raises(ValueError, match="verdicts on real and on generated"):
            accuracies(table)


def test_beats_that_belong_together_are_dealt_together(clips):
    parts, beats = real_clips(clips), random_beats(120)
    table = two_sample(
        beats,
        parts.first,
        parts.second,
        classifiers={"none": lambda hits, labels, judged, seed: np.ones(len(judged), bool)},
        group=np.repeat(np.arange(30), 4),
    )
    made = table[~table["real"]].groupby("group")
    assert made["run"].nunique().max() == 1 and made.ngroups <= 30
