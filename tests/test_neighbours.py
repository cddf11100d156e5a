"""Neighbours: copies, coverage and how near is near, against loops and by hand."""

import numpy as np
import pytest
import torch
from beats import ROCK, SILENCE, few_clips, repeat
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from drum_qtuner.beat import Beat
from drum_qtuner.metrics import strokes
from drum_qtuner.neighbours import bars_copied, coverage, nearest_clip, neighbourhoods
from drum_qtuner.preprocessing import Clips

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


def test_beats_of_different_lengths_are_not_compared():
    with pytest.raises(ValueError, match="16 steps cannot be compared with clips of 32"):
        nearest_clip([Beat.from_classes([0] * 16)], [ROCK])
    assert bars_copied([Beat.from_classes(ROCK.classes()[:16])], [ROCK]).tolist() == [
        1
    ]  # bars are bars


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
    expected = [min((a != b).any(1).mean() for b in known) for a in hits]
    np.testing.assert_allclose(nearest_clip(hits, known), expected)
    bars = {bar.tobytes() for clip in known for bar in clip.reshape(2, -1)}
    assert bars_copied(hits, known).tolist() == [
        np.mean([bar.tobytes() in bars for bar in clip.reshape(2, -1)]) for clip in hits
    ]


def test_copies_are_copies(clips):
    train = clips.split("train")
    copies = strokes(train.select(slice(0, None, 40)))
    assert nearest_clip(copies, train).max() == 0 and bars_copied(copies, train).min() == 1


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
