"""The two-sample test: nothing on both sides that belongs together, and figures by hand."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from beats import ROCK, SILENCE, few_clips, random_beats, some

from drum_qtuner.beat import Beat
from drum_qtuner.intervals import groups, real_clips
from drum_qtuner.metrics import describe_beats, strokes
from drum_qtuner.opinions import convolution, recurrent
from drum_qtuner.preprocessing import Clips, load_clips
from drum_qtuner.two_sample import boosting, features, told_apart, two_sample

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


CLASSIFIERS = (boosting, convolution, recurrent)


def half(hits, labels, judged, seed):
    "Who says one half of everything."
    return np.full(len(judged), 0.5)


def test_performances_are_never_on_both_sides(clips):
    seen = []

    def spy(hits, labels, judged, seed):
        seen.append((hits, labels, judged))
        return half(hits, labels, judged, seed)

    parts = real_clips(clips)
    runs = two_sample(parts.train, parts.first, parts.second, size=50, repeats=2, classifier=spy)
    assert len(runs) == len(seen) == 4
    np.testing.assert_allclose(runs["log loss"], np.log(2))
    assert runs["accuracy"].eq(0.5).all() and runs["AUC"].eq(0.5).all()
    owners = {}
    for clip, owner in zip(strokes(clips, mono=True), groups(clips)):
        owners.setdefault(clip.tobytes(), set()).add(owner)
    for hits, labels, judged in seen:
        assert len(hits) == 100 and labels.sum() == 50 and labels[:50].all() and len(judged) == 100
        sides = [[owners[clip.tobytes()] for clip in side] for side in (hits, judged)]
        sure = [{next(iter(o)) for o in side if len(o) == 1} for side in sides]
        assert not sure[0] & sure[1]


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_each_classifier_tells_random_from_real_and_nothing_from_itself(clips, classifier):
    parts = real_clips(clips)
    same = parts.held.select(slice(0, None, 2)), parts.held.select(slice(1, None, 2))
    told = {
        "random": two_sample(
            random_beats(300), *[parts.first, parts.second], 150, 1, classifier=classifier
        ),
        "same": two_sample(
            some(same[0], 300), parts.first, parts.second, 150, 1, classifier=classifier
        ),
    }
    assert told["random"]["accuracy"].mean() > 0.85 and told["same"]["accuracy"].mean() < 0.65


def test_the_trees_see_descriptors_and_one_number_a_step():
    "By hand: rock on eighths is bass drum, hi-hat, snare, hi-hat, with rests between."
    beats = strokes([ROCK, SILENCE])
    seen, named = features(beats), describe_beats(beats)
    np.testing.assert_array_equal(seen[:, 32:], [[1, 0, 64, 0, 2, 0, 64, 0] * 4, [0] * 32])
    np.testing.assert_array_equal(seen[:, :32], named.astype(np.float32))
    together = beats[:1].copy()
    together[0, 0, 6] = together[0, 1, 8] = True  # a hi-hat with the bass drum; a ride alone
    assert features(together)[0, 32:34].tolist() == [1 + 64, 256]


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classifiers_repeat_themselves(clips, classifier):
    parts, beats = real_clips(clips), random_beats(80)
    shorter = {} if classifier is boosting else {"updates": 40}  # all draws are in the first ones
    options = dict(size=40, repeats=1, classifier=partial(classifier, **shorter), seed=3)
    one, two = (two_sample(beats, parts.first, parts.second, **options) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_two_sample_wants_enough(clips):
    parts = real_clips(clips)
    for beats, size in ((random_beats(30), 1000), (random_beats(90), 0), (random_beats(90), -5)):
        with pytest.raises(ValueError, match="needs 20 generated"):
            two_sample(beats, parts.first, parts.second, size)
    with pytest.raises(ValueError, match="beats of one group stay together"):
        two_sample(random_beats(90), parts.first, parts.second, group=np.zeros(90))
    with pytest.raises(ValueError, match="one repeat or more"):
        two_sample(random_beats(90), parts.first, parts.second, repeats=0)


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
        return half(hits, labels, judged, seed)

    for beats in (parts.train, random_beats(200)):
        two_sample(beats, parts.first, parts.second, size=50, repeats=2, classifier=spy)
    assert seen[:4] == seen[4:] and len(set(seen)) == 4


def test_what_is_right_agrees_with_a_count(clips):
    "Accuracy, area and loss of a classifier that says something about half of the time."

    def crashes(hits, labels, judged, seed):
        return np.where(judged[..., 7].any(1), 0.9, 0.2)

    parts, beats = real_clips(clips), random_beats(200)
    runs = two_sample(beats, parts.first, parts.second, 60, 1, classifier=crashes)
    judged = []
    two_sample(
        beats,
        parts.first,
        parts.second,
        60,
        1,
        classifier=lambda *data, seed: judged.append(data[2]) or half(*data, seed),
    )
    for (_, run), asked in zip(runs.iterrows(), judged):
        p = crashes(None, None, asked, 0)
        made, real = np.split(p, 2)
        wins = np.mean([(m > r) + (m == r) / 2 for m in made for r in real])
        assert run["accuracy"] == np.mean([*(made > 0.5), *(real <= 0.5)])
        assert run["AUC"] == pytest.approx(wins)
        assert run["log loss"] == pytest.approx(-np.log([*made, *(1 - real)]).mean())


def made_up(accuracy, seed=0, runs=16, spread=0.03):
    "Runs whose accuracies vary about a mean."
    values = np.random.default_rng(seed).normal(accuracy, spread, runs)
    return pd.DataFrame({"run": range(runs), "accuracy": values, "AUC": values, "log loss": 0.6})


def test_intervals_are_those_of_student():
    import scipy.stats

    runs, floor = made_up(0.8), made_up(0.55, seed=1)
    told = told_apart(runs, floor)
    assert told.index.tolist() == ["accuracy", "AUC", "log loss", "excess"]
    for name, values in {
        "accuracy": runs["accuracy"],
        "excess": runs["accuracy"] - floor["accuracy"],
    }.items():
        low, high = scipy.stats.norm.interval(0.95, values.mean(), values.std())
        wider = scipy.stats.t.ppf(0.975, 15) / scipy.stats.norm.ppf(0.975)
        assert told.loc[name, "value"] == pytest.approx(values.mean())
        assert told.loc[name, "high"] - told.loc[name, "low"] == pytest.approx(wider * (high - low))
    assert told_apart(runs, runs).loc["excess"].tolist() == [0, 0, 0]
    assert told_apart(runs).index.tolist() == ["accuracy", "AUC", "log loss"]


def test_runs_that_are_not_whole():
    for runs, floor in ((made_up(0.8)[:0], None), (made_up(0.8), made_up(0.8)[:3])):
        with pytest.raises(ValueError, match="needs runs as `two_sample` gives them"):
            told_apart(runs, floor)


def test_beats_that_belong_together_are_dealt_together(clips):
    parts, beats, seen = real_clips(clips), random_beats(120), []
    group = np.repeat(np.arange(30), 4)
    owner = {strokes(beat).tobytes(): g for beat, g in zip(beats, group)}

    def spy(hits, labels, judged, seed):
        sides = hits[labels], judged[: len(judged) // 2]
        seen.append([{owner[hit.tobytes()] for hit in side} for side in sides])
        return half(hits, labels, judged, seed)

    two_sample(beats, parts.first, parts.second, repeats=2, classifier=spy, group=group)
    assert len(seen) == 4 and not any(learned & asked for learned, asked in seen)


def test_twins_in_a_list_are_dealt_together_unasked():
    "Clips of twenty performances as a list look much worse than real where twins are torn apart."
    clips = load_clips(split="all", verbose=False)
    parts, train = real_clips(clips), clips.split("train")
    few = np.random.default_rng(0).permutation(sorted(set(groups(train))))[:20]
    chosen = np.flatnonzero(np.isin(groups(train), few))
    beats = [train[i] for i in np.random.default_rng(1).permutation(chosen)[:500]]
    options = dict(first=parts.first, second=parts.second, size=250, repeats=3)
    together = two_sample(beats, **options)["accuracy"].mean()
    torn = two_sample(beats, group=np.arange(len(beats)), **options)["accuracy"].mean()
    assert torn > together + 0.05
