"""Draw the social card and the icon of the site: nbs/card.png and nbs/favicon.png.

python scripts/make_card.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from drum_qtuner.grooves import GROOVES
from drum_qtuner.pictures import COLORS

SITE = Path(__file__).resolve().parent.parent / "nbs"
INK, PAPER = "#10202f", "white"


def squares(axis, velocity, colors, gap=0.12):
    "A square for each step of each row, in its colour where it is struck."
    for step, drum in np.ndindex(velocity.shape):
        color = colors[drum] if velocity[step, drum] else "#e8ecf0"
        axis.add_patch(
            plt.Rectangle((step + gap / 2, drum + gap / 2), 1 - gap, 1 - gap, color=color)
        )
    axis.set(xlim=(0, len(velocity)), ylim=(0, velocity.shape[1]), aspect="equal")
    axis.axis("off")


def card():
    "1200 x 630 pixels: a groove above what the course is about."
    figure = plt.figure(figsize=(12, 6.3), dpi=100, facecolor=PAPER)
    beat = GROOVES["half-time shuffle"]
    squares(figure.add_axes((0.05, 0.4, 0.9, 0.5)), beat.velocity, COLORS)
    figure.text(0.05, 0.21, "Teach a network to drum", fontsize=44, weight="bold", color=INK)
    figure.text(0.05, 0.1, "and tune it with deep Q-learning: drum_qtuner", fontsize=26, color=INK)
    figure.savefig(SITE / "card.png", metadata={"Software": None})


def icon():
    "64 x 64 pixels: bass drum, snare and hi-hat in four steps."
    figure = plt.figure(figsize=(1, 1), dpi=64, facecolor=PAPER)
    steps = np.array([[1, 0, 1], [0, 0, 1], [0, 1, 1], [1, 0, 1]])
    colors = [COLORS[drum] for drum in (0, 1, 6)]
    axis = figure.add_axes((0.03, 0.03, 0.94, 0.94))
    squares(axis, steps, colors)
    axis.set_aspect("auto")
    figure.savefig(SITE / "favicon.png", metadata={"Software": None})


if __name__ == "__main__":
    card()
    icon()
