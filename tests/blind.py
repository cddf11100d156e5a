"""A small blind test that several tests take, and the answers of two people to it."""

from pathlib import Path

import numpy as np
import pandas as pd

from drum_qtuner.beat import TICKS_PER_STEP, Beat
from drum_qtuner.design import Design, design
from drum_qtuner.listening import ListeningTest


def some_beats(n: int, seed: int) -> list[Beat]:
    return [
        Beat.from_classes(row) for row in np.random.default_rng(seed).integers(10, size=(n, 16))
    ]


def drummed() -> Beat:
    "A beat with dynamics, two drums at once and late strokes."
    velocity = np.eye(16, 9, dtype=int) * 90 + np.eye(16, 9, 1, dtype=int) * 20
    return Beat(velocity, np.full((16, 9), 0.2), 77)


def as_beat(told: dict) -> Beat:
    "The beat that the design tells as numbers."
    velocity, offset = np.zeros((told["steps"], 9), int), np.zeros((told["steps"], 9))
    for step, drum, strength, ticks in told["notes"]:
        velocity[step, drum], offset[step, drum] = strength, ticks / TICKS_PER_STEP
    return Beat(velocity, offset, told["bpm"])


def small(**options) -> Design:
    "Two models and the anchors, short and fast."
    return design(
        {"secret one": some_beats(3, 1), "secret two": some_beats(3, 2)},
        **dict(human=some_beats(3, 3), beats=3, bpm=480, sheets=16) | options,
    )


SMALL = small()
STRENGTHS = dict(zip(SMALL.models, (1.0, -0.5, -1.5, 1.0)))


def table(won, each=1) -> pd.DataFrame:
    "Answers of as many listeners as there are matrices: how often row was preferred to column."
    rows = [
        dict(
            rater=f"r{r}",
            kind="pair",
            first=f"m{a}",
            second=f"m{b}",
            answer="first",
            simulated=True,
        )
        for r, own in enumerate(won)
        for a, b in np.argwhere(own)
        for _ in range(int(own[a, b]))
    ]
    return pd.DataFrame(rows)


def published() -> np.ndarray:
    "Some pair-by-pair counts that give the published ones, each pair having met ten times."
    from scipy.optimize import Bounds, LinearConstraint, milp

    from drum_qtuner.evaluation import PREFERRED  # loads torch: not for those who make a test

    first, second = np.triu_indices(6, 1)
    rows = np.array([[1.0 * (first == i) - (second == i)] for i in range(6)]).squeeze()
    wanted = np.array(list(PREFERRED.values())) - [10 * (second == i).sum() for i in range(6)]
    found = milp(
        np.zeros(15),
        constraints=LinearConstraint(rows, wanted, wanted),
        bounds=Bounds(0, 10),
        integrality=np.ones(15),
    ).x.round()
    won = np.zeros((6, 6))
    won[first, second], won[second, first] = found, 10 - found
    return won


def give(test: ListeningTest, trial: int, answer: str = "second", nickname: str = "ann", **other):
    "What the widget says to an answer."
    said = dict(trial=trial, answer=answer, plays=[1, 1], seconds=1) | other
    return test.reply(dict(id=0, ask="answer", nickname=nickname, **said))


def answered_by_two(folder: Path) -> Path:
    "The folder, with the answers of two people in it."
    for nickname in ("ann", "bob"):
        test = ListeningTest(SMALL, folder)
        for trial in range(len(SMALL.trials(nickname))):
            answer = ("first", "second")[trial % 2]
            give(test, trial, answer, nickname, plays=[1, 2], seconds=3.5)
    return folder
