"""Beats and clips that several tests of the panel look at."""

import functools

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from drum_qtuner.beat import REST, Beat
from drum_qtuner.preprocessing import Clips, load_clips

sequences = arrays(np.uint8, 32, elements=st.integers(0, REST))
polyphony = arrays(bool, (3, 32, 9))


def repeat(*sounds) -> Beat:
    "Two bars that repeat `sounds`."
    return Beat.from_classes((list(sounds) * 32)[:32])


ROCK = repeat(0, 9, 6, 9, 1, 9, 6, 9)
SILENCE = repeat(REST)


@functools.cache
def few_clips() -> Clips:
    "Every sixth of the real clips: all performances that are long enough, in all splits."
    clips = load_clips(split="all", verbose=False)
    return clips.select(slice(0, len(clips), 6))


def some(clips: Clips, n: int, seed: int = 0) -> list[Beat]:
    "Clips at random, as single beats."
    rows = np.random.default_rng(seed).permutation(clips.classes)[:n]
    return [Beat.from_classes(row) for row in rows]


def random_beats(n: int, seed: int = 0) -> list[Beat]:
    "Dice."
    rows = np.random.default_rng(seed).integers(0, REST + 1, (n, 32))
    return [Beat.from_classes(row) for row in rows]
