"""What lesson 03 says about counting and about luck, computed in another way."""

from collections import Counter
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drum_qtuner.beat import KIT
from drum_qtuner.note_cnn import loss
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.store import load_pretrained

NBS = Path(__file__).parents[1] / "nbs"
LADDER = {  # steps seen: nats per step of steps 8 to 31, validation and test
    0: (1.881, 1.835),
    1: (1.797, 1.738),
    2: (1.613, 1.579),
    3: (1.562, 1.529),
    4: (1.401, 1.373),
    5: (1.455, 1.420),
}


@pytest.fixture(scope="module")
def clips():
    return {s: load_clips(split=s, verbose=False) for s in ("train", "validation", "test")}


def pasts(clips, k):
    "Counts of (the k steps before, the step itself), each a string, steps 8 to 31."
    texts = ["".join(map(str, row)) for row in clips.classes.tolist()]
    return Counter(text[t - k : t + 1] for text in texts for t in range(8, 32))


@pytest.mark.parametrize("k", LADDER)
def test_tables_lose_what_the_lesson_says(clips, k):
    "Counted in strings and dictionaries; a class never seen after a past counts once."
    seen = pasts(clips["train"], k)
    rows = Counter()
    for key, count in seen.items():
        rows[key[:-1]] += count
    for split, expected in zip(("validation", "test"), LADDER[k]):
        judged = pasts(clips[split], k)
        nats = sum(n * log((rows[key[:-1]] + 10) / (seen[key] + 1)) for key, n in judged.items())
        assert nats / judged.total() == pytest.approx(expected, abs=6e-4)


def test_snares_follow_hats_where_the_lesson_says(clips):
    names = [drum.short for drum in KIT]
    hat, snare = names.index("CH"), names.index("SD")
    hats, snares = np.zeros(16), np.zeros(16)
    for clip in clips["train"].classes.tolist():
        for t in range(1, 32):
            if clip[t - 1] == hat:
                hats[t % 16] += 1
                snares[t % 16] += clip[t] == snare
    shares = snares / hats
    assert np.argsort(shares)[::-1][:5].tolist() == [12, 4, 15, 7, 9]
    assert shares[[4, 12]].round(2).tolist() == [0.43, 0.44]
    assert shares[[7, 9, 15]] == pytest.approx(0.35, abs=0.016)
    assert shares[[0, 2, 6, 8, 10, 14]].max() < 0.115


def test_the_shipped_network_and_three_more(clips):
    "The spread of seeds is as the lesson tells it, and the network has the loss it is said to."
    found = pd.read_csv(NBS / "note_cnn_seeds.csv", index_col="seed").round(3)
    assert found["validation"].tolist() == [1.040, 1.036, 1.035]
    assert found["test"].tolist() == [1.028, 1.027, 1.029]
    model = load_pretrained("note_cnn")
    said = [round(loss(model, clips[s].classes).item(), 3) for s in ("validation", "test")]
    assert said == [1.040, 1.023]
