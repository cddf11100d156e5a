"""Distances: overlap and divergence against scipy, and against what is known."""

import numpy as np
import pytest
import scipy.stats
import torch
from beats import few_clips

from drum_qtuner.distances import compare, densities, kl, overlap, pairwise
from drum_qtuner.preprocessing import Clips

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


def test_pairwise_by_hand():
    np.testing.assert_allclose(
        pairwise(np.array([1.0, 4.0]), np.array([1.0, np.nan, 2.0])),
        [[0, np.nan, 1], [3, np.nan, 2]],
    )
    np.testing.assert_allclose(pairwise(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]])), [[5]])


@pytest.mark.parametrize("seed", range(3))
def test_overlap_agrees_with_kernel_densities_of_scipy(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(9, 1, 3000), rng.gamma(9 + 2 * seed, 1, 3000)
    f, g = scipy.stats.gaussian_kde(a), scipy.stats.gaussian_kde(b)
    x = np.linspace(0, 40, 2000)
    assert overlap(*densities(a, b)) == pytest.approx(
        np.trapezoid(np.minimum(f(x), g(x)), x), abs=0.015
    )
    p, q = f(x) / f(x).sum(), g(x) / g(x).sum()
    assert kl(*densities(a, b)) == pytest.approx(scipy.stats.entropy(p, q), abs=0.08)


def test_overlap_and_kl_of_equal_and_of_disjoint():
    p, q = densities(np.linspace(0, 1, 1000), np.linspace(0, 1, 1000))
    assert overlap(p, q) == pytest.approx(1) and kl(p, q) == pytest.approx(0)
    p, q = densities(np.linspace(0, 1, 1000), np.linspace(9, 10, 1000))
    assert overlap(p, q) < 1e-6 and kl(p, q) > 5


def test_undefined_counts_as_different():
    p, q = densities(np.linspace(0, 1, 100), np.full(100, np.nan))
    assert overlap(p, q) == 0 and p[-1] == 0 and q[-1] == 1
    p, q = densities(np.full(3, np.nan), np.full(5, np.nan))
    assert overlap(p, q) == 1


@pytest.mark.parametrize("distances", [(), ([],), ([-1.0], [2.0]), ([np.inf], [1.0])])
def test_densities_refuses(distances):
    with pytest.raises(ValueError, match="needs distances"):
        densities(*distances)


def test_distances_and_distributions_that_do_not_fit():
    assert overlap([0.5, 0.5], [0.25, 0.75]) == 0.75 and kl([0.5, 0.5], [0.5, 0.5]) == 0
    for function in (overlap, kl):
        for p, q in (
            ([1.0], [0.5, 0.5]),
            ([[1.0]], [[1.0]]),
            ([1.0, 0], [np.nan, 1]),
            ([1.5, -0.5], [0, 1]),
        ):
            with pytest.raises(ValueError, match="same bins"):
                function(p, q)
    for x, y in (((3, 2), (3, 4)), ((0,), (3,)), ((3,), (3, 1)), ((2, 2, 2), (2, 2, 2))):
        with pytest.raises(ValueError, match="one descriptor of two sets"):
            pairwise(np.zeros(x), np.zeros(y))


def test_comparing_leaves_out_pairs_of_one_performance():
    "Two performances of two equal clips each: within one, distance 0; the others are at 1."
    y, theirs = np.array([0.0, 0, 1, 1]), np.array(["a", "a", "b", "b"])
    same = compare(np.array([0.0, 1]), y, np.arange(2), theirs, draws=5)
    assert [*same] == ["overlap", "KL"]
    p = densities(np.ones(8), np.array([0.0] * 4 + [1] * 4), np.ones(2))
    assert same["overlap"][0] == pytest.approx(min(overlap(p[0], p[1]), overlap(p[0], p[2])))
    assert same["KL"][0] == pytest.approx(max(kl(p[0], p[1]), kl(p[0], p[2])))
