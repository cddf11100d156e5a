"""The three players of the first lesson sound as the lesson says, with other seeds too."""

import numpy as np
import pytest

from drum_qtuner import generate, load_clips, load_pretrained
from drum_qtuner.beat import REST
from drum_qtuner.metrics import backbeat, class_array, downbeat


def test_the_drummer_plays_a_backbeat_with_soft_strokes_in_between():
    velocity = load_clips(split="test", verbose=False)[30].velocity.astype(int)
    assert (velocity[[4, 12, 20, 28], 1] > 85).all()  # the snare on two and four
    assert (velocity[[0, 16], 0] > 60).all()  # the bass drum on one
    snare = velocity[:, 1]
    assert ((snare > 0) & (snare < 50)).sum() >= 4
    assert velocity.any(0).sum() >= 4


@pytest.mark.parametrize("seed", [3, 4])
def test_the_note_cnn_plays_several_drums_with_a_backbeat(seed):
    fifty = generate(load_pretrained("note_cnn"), n=50, bpm=105, seed=seed)
    best = max(fifty, key=lambda beat: backbeat(beat) + downbeat(beat))
    assert backbeat(best) > 0.5 and downbeat(best) > 0.5
    assert (best.velocity > 0).any(0).sum() >= 4 and (best.velocity > 0).sum() >= 20


def test_the_tuned_network_falls_silent_after_any_first_step():
    tuned = load_pretrained("dqn-0.1")
    ten = generate(tuned, n=10, decode="argmax", primer=[[first] for first in range(10)])
    played = class_array(ten)
    assert np.array_equal(played[:, 0], np.arange(10)) and (played[:, 1:] == REST).all()
