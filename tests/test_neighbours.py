"""Neighbours: copies, coverage and how near is near, against loops and by hand."""

import numpy as np
import pytest
import torch
from beats import ROCK, SILENCE, few_clips, repeat
from hypothesis import given, settings, strategies
from hypothesis.extra.numpy import arrays

from drum_qtuner.beat import Beat
from drum_qtuner.metrics import strokes
from drum_qtuner.neighbours import (
    coverage,
    mean_distance,
    mixture_distance,
    near_copies,
    nearest_clips,
    neighbourhoods,
    steps_copied,
)
from drum_qtuner.preprocessing import Clips

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


def test_beats_of_different_lengths_are_not_compared():
    with pytest.raises(ValueError, match="16 steps cannot be compared with clips of 32"):
        nearest_clips([Beat.from_classes([0] * 16)], [ROCK])
    assert steps_copied([Beat.from_classes(ROCK.classes()[:16])], [ROCK]) == 1  # bars are bars


def test_neighbours_and_radii_that_are_missing():
    with pytest.raises(ValueError, match="5 clips of other performances"):
        neighbourhoods([ROCK, SILENCE], np.arange(2))
    with pytest.raises(ValueError, match="1 clips of other performances"):
        neighbourhoods([ROCK, SILENCE], np.zeros(2), 1)
    with pytest.raises(ValueError, match="a group for each"):
        neighbourhoods([ROCK, SILENCE, ROCK], np.arange(2), 1)
    for distances, radius in ((np.zeros((0, 3)), np.zeros(3)), (np.zeros((2, 3)), np.zeros(4))):
        with pytest.raises(ValueError, match="a radius for each clip"):
            coverage(distances, radius)


@given(arrays(bool, (4, 32, 9)), arrays(bool, (5, 32, 9)))
@settings(max_examples=30)
def test_novelty_against_a_loop(hits, known):
    expected = [[(a != b).any(1).mean() for b in known] for a in hits]
    far, which = nearest_clips(hits, known)
    np.testing.assert_allclose(far, np.min(expected, 1))
    np.testing.assert_array_equal(which, np.argmin(expected, 1))
    assert mean_distance(far) == pytest.approx(np.min(expected, 1).mean())
    assert near_copies(far) == np.mean([min(row) <= 3 / 32 for row in expected])


few = arrays(np.uint8, (3, 32), elements=strategies.integers(0, 1))
names = strategies.lists(strategies.sampled_from("abc"), min_size=3, max_size=3)


@given(few, few, names, names)
@settings(max_examples=50)
def test_copied_steps_against_a_search_in_text(beats, clips, mine, theirs):
    "Beats and clips as strings of digits: every stretch of 16 is looked for in every clip."
    texts = [["".join(map(str, row)) for row in part] for part in (beats, clips)]
    hits, known = (np.arange(9) == part[..., None] for part in (beats, clips))

    def copied(allowed):
        shares = []
        for i, text in enumerate(texts[0]):
            inside = set()
            for begin in range(17):
                stretch = text[begin : begin + 16]
                if any(stretch in clip for j, clip in enumerate(texts[1]) if allowed(i, j)):
                    inside |= set(range(begin, begin + 16))
            shares.append(len(inside) / 32)
        return shares

    assert steps_copied(hits, known).tolist() == copied(lambda i, j: True)
    by_group = steps_copied(hits, known, np.array(mine), np.array(theirs)).tolist()
    assert by_group == copied(lambda i, j: mine[i] != theirs[j])


def test_copies_are_copies(clips):
    train = clips.split("train")
    copies = strokes(train.select(slice(0, None, 40)))
    far, _ = nearest_clips(copies, train)
    assert far.max() == 0 and steps_copied(copies, train).min() == 1
    late = np.roll(copies, 1, axis=1)
    assert nearest_clips(late, train)[0].mean() > 0.3 and steps_copied(late, train).min() > 0.9
    swapped = np.roll(copies, 16, axis=1)
    assert steps_copied(swapped, train).min() == 1


def test_real_clips_do_not_find_themselves(clips):
    group = clips.info["id"].to_numpy()
    some = slice(0, None, 50)
    far, which = nearest_clips(clips.select(some), clips, group[some], group)
    assert (group[which] != group[some]).all() and far.mean() > 0.1
    copied = steps_copied(clips.select(some), clips, group[some], group)
    assert copied.mean() < 0.7


def test_a_mixture_is_that_of_scipy():
    "Half the sum of the differences, by the distance of Minkowski with p = 1."
    from scipy.spatial.distance import minkowski

    rng = np.random.default_rng(0)
    mine, theirs = rng.choice(list("abcd"), 50), rng.choice(list("bcde"), 80)
    shares = [[np.mean(part == label) for label in "abcde"] for part in (mine, theirs)]
    assert mixture_distance(mine, theirs) == pytest.approx(minkowski(*shares, p=1) / 2)
    assert mixture_distance(mine, mine) == 0 and mixture_distance(["a"], ["b"]) == 1


def test_coverage_by_hand():
    real = [ROCK, repeat(0), repeat(1)]
    radius = neighbourhoods(real, np.array(["a", "b", "c"]), neighbours=1)
    np.testing.assert_allclose(
        radius, [28 / 32, 28 / 32, 28 / 32]
    )  # each shares four of its steps with the rock beat, or four with it
    distances = np.array([[0, 28, 28], [16, 32, 32]]) / 32
    assert coverage(distances, radius) == 1 and coverage(distances[1:], radius) == 1 / 3


def test_clips_of_one_performance_are_no_neighbours():
    real = [ROCK, ROCK, SILENCE]
    np.testing.assert_allclose(
        neighbourhoods(real, np.array(["a", "a", "b"]), neighbours=1), [0.5, 0.5, 0.5]
    )
