"""The toy kit of lesson 04: its exact values by two other ways, and what learning makes of them."""

import itertools

import numpy as np
import pytest

from drum_qtuner.q_learning import (
    POINTS,
    backward_induction,
    earned,
    epsilon_greedy,
    next_state,
    play_bar,
    q_learning,
    q_update,
)
from drum_qtuner.toy_kit import STATES, as_beat, draw_tables, in_words

PAID = {  # written down once more: what bass, snare and rest are paid after each sound
    None: (2, 0, 3),
    0: (2, 1, 4),
    1: (4, 0, 1),
    2: (0, -1, 1),
}
BARS = list(itertools.product(range(3), repeat=4))


def by_trying(gamma, beginning=()) -> np.ndarray:
    "Q of the three sounds after a beginning: the best return of all ways to go on."
    left = 4 - len(beginning)

    def worth(rest):
        before = [*beginning[-1:], *rest][: len(rest)] if beginning else [None, *rest[:-1]]
        return sum(gamma**t * PAID[b][a] for t, (b, a) in enumerate(zip(before, rest)))

    ways = [(worth(rest), rest[0]) for rest in itertools.product(range(3), repeat=left)]
    return np.array([max(w for w, first in ways if first == a) for a in range(3)])


@pytest.mark.parametrize("gamma", [0, 0.3, 0.5, 0.9, 1])
def test_backward_induction_finds_what_trying_all_bars_finds(gamma):
    "In all ten states; and the value does not depend on what came before the last sound."
    q = backward_induction(gamma=gamma)
    np.testing.assert_allclose(q[0, 0], by_trying(gamma))
    for steps in (1, 2, 3):
        for beginning in itertools.product(range(3), repeat=steps):
            right = by_trying(gamma, beginning)
            np.testing.assert_allclose(q[steps, beginning[-1] + 1], right)
    assert not q[4].any()


def test_backward_induction_on_tables_drawn_by_chance():
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.normal(size=(4, 3))
        best = max(BARS, key=lambda bar: sum(earned(bar, points)))
        assert play_bar(backward_induction(points, gamma=1)) == list(best)


def test_by_hand():
    "Step 3 after a snare: bass is paid 4, and then a rest 4: 4 + 0.9 x 4."
    assert backward_induction(gamma=0.9)[2, 2, 0] == pytest.approx(7.6)
    assert earned([0, 1, 0, 2]) == [2, 1, 4, 4] and earned([2, 2, 2, 2]) == [3, 1, 1, 1]
    q = np.zeros((5, 4, 3))
    q[1, 1] = [3, 5, 4]
    q_update(q, (0, 0), 0, -1, (1, 1), gamma=0.5, alpha=0.1)
    assert q[0, 0].tolist() == pytest.approx([0.15, 0, 0])


def test_what_the_lesson_says_of_gamma():
    "Gamma 0 is greedy, .9 finds the one best bar of 81, .5 lies between."
    said = {
        gamma: in_words(play_bar(backward_induction(gamma=gamma))) for gamma in (0, 0.5, 0.9, 1)
    }
    assert said[0] == "rest rest rest rest" and said[0.5] == "bass rest bass rest"
    assert said[0.9] == said[1] == "bass snare bass rest"
    sums = sorted((sum(earned(bar)) for bar in BARS), reverse=True)
    assert sums[0] == 11 > sums[1] and sum(earned([0, 2, 0, 2])) == 10


@pytest.mark.parametrize("epsilon, alpha, gamma", [(1.0, 1, 0.9), (0.5, 0.5, 0.3), (0.3, 0.5, 0.9)])
def test_the_learned_table_is_the_exact_one(epsilon, alpha, gamma):
    tables, paid = q_learning(iterations=20_000, epsilon=epsilon, gamma=gamma, alpha=alpha, seed=1)
    exact = backward_induction(gamma=gamma)
    np.testing.assert_allclose(
        [tables[-1][s] for s in STATES], [exact[s] for s in STATES], atol=0.01
    )
    assert play_bar(tables[-1]) == play_bar(exact)
    assert tables.shape == (20_000, 5, 4, 3) and not tables[:, 4].any()
    assert set(paid) <= set(POINTS.flatten())


def test_the_step_number_belongs_to_the_state():
    "After a bass drum the best is the snare in step 2, the bass in step 3, the rest in step 4."
    exact = backward_induction(gamma=0.9)
    assert exact[1:4, 1].argmax(1).tolist() == [1, 0, 2]


def test_endless_play_is_a_very_long_episode():
    tables, _ = q_learning(iterations=20_000, endless=True, alpha=0.5, seed=1)
    long = backward_induction(gamma=0.9, steps=400)[0]
    np.testing.assert_allclose(tables[-1][:4, 1:], np.stack([long[1:]] * 4), atol=0.05)
    tables, _ = q_learning(iterations=20_000, endless=True, seed=0)
    bar = play_bar(tables[-1])
    assert in_words(bar) == "bass snare bass snare" and sum(earned(bar)) == 8
    assert next_state((3, 1), 2) == (4, 3) and next_state((3, 1), 2, endless=True) == (0, 3)


def test_players_who_never_explore_are_stuck():
    found = {
        epsilon: sum(
            in_words(play_bar(q_learning(iterations=3_000, epsilon=epsilon, seed=seed)[0][-1]))
            == "bass snare bass rest"
            for seed in range(8)
        )
        for epsilon in (0, 1)
    }
    assert found[0] <= 2 and found[1] == 8


def test_negative_points_make_zeros_hopeful():
    "What the lesson says of log p: even epsilon 0 finds the best bar when all is paid below zero."
    best = play_bar(backward_induction(POINTS - 5, gamma=0.9))
    for seed in range(8):
        tables, _ = q_learning(
            lambda before, sound: POINTS[before, sound] - 5, 6_000, epsilon=0, seed=seed
        )
        assert play_bar(tables[-1]) == best


def test_epsilon_greedy_plays_the_best_and_shares_the_rest():
    rng = np.random.default_rng(0)
    played = [epsilon_greedy(np.array([0.0, 2.0, 1.0]), 0.3, rng) for _ in range(20_000)]
    share = np.bincount(played) / len(played)
    np.testing.assert_allclose(share, [0.1, 0.8, 0.1], atol=0.01)
    ties = {epsilon_greedy(np.zeros(3), 0, rng) for _ in range(50)}
    assert ties == {0, 1, 2}


def test_the_same_seed_plays_the_same():
    one, two, other = (q_learning(iterations=200, seed=seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(one, two) and not np.array_equal(one, other)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: q_learning(POINTS), "pays must be a function .* not a ndarray"),
        (lambda: q_learning(iterations=1e4), "iterations must be a whole number"),
        (lambda: q_learning(epsilon="0.3"), "epsilon must be a number from 0 to 1, not a str"),
        (lambda: q_learning(gamma=9), "gamma must be a number from 0 to 1, not 9"),
        (lambda: q_learning(alpha=0), "alpha must be a number"),
        (lambda: q_learning(gamma=1, endless=True), "endless play needs a gamma below 1"),
        (lambda: backward_induction(POINTS.T), "points must be 4 rows of 3 numbers"),
        (lambda: backward_induction(gamma=None), "gamma must be a number .* not a NoneType"),
        (lambda: backward_induction(steps=0), "steps must be a whole number"),
        (lambda: play_bar(np.zeros((9, 5, 4, 3))), r"take tables\[-1\]"),
        (lambda: draw_tables(np.zeros((5, 4, 3))), "a dict of tables"),
        (lambda: earned("BSB."), "a toy bar is a list of four sounds"),
        (lambda: as_beat([0, 1, 0, 9]), "a toy bar is a list of four sounds"),
    ],
)
def test_what_makes_no_sense_is_named_in_a_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert len(str(caught.value)) < 250
