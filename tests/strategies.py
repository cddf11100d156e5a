"""Beats to test with: one that is known by heart, and whatever hypothesis thinks of."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drum_qtuner.beat import STEPS_PER_BAR, Beat


@st.composite
def velocities(draw):
    steps = STEPS_PER_BAR * draw(st.integers(1, 4))
    strokes = draw(arrays(np.bool_, (steps, 9)))
    return strokes * draw(arrays(np.uint8, (steps, 9), elements=st.integers(1, 127)))


@st.composite
def beats(draw):
    velocity = draw(velocities())
    offset = draw(
        arrays(
            np.float32, velocity.shape, elements=st.floats(-0.5, 0.5, exclude_max=True, width=32)
        )
    )
    return Beat(velocity, offset, draw(st.floats(10, 1000)))


def rock(bpm=120) -> Beat:
    "Two bars: bass drum on one and three, a late snare on two and four, closed hi-hat on eighths."
    velocity, offset = np.zeros((32, 9), np.uint8), np.zeros((32, 9))
    velocity[::8, 0], velocity[4::8, 1], velocity[::2, 6] = 110, 100, 70
    offset[4::8, 1] = 0.1
    return Beat(velocity, offset, bpm)
