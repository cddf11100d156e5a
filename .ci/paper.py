"""Assert the numbers of the paper in the folder of a finished run.

drum_qtuner run --out runs/paper
python .ci/paper.py runs/paper
"""

import json
import sys
from pathlib import Path

from drum_qtuner.preprocessing import load_clips
from drum_qtuner.report import PAPER
from drum_qtuner.run_folder import model_path, read_rewards


def check(out: Path):
    "Raise an `AssertionError` where the run differs from the paper."
    assert len(load_clips(split="train", verbose=False)) == 16_389  # section 3.1
    card = json.loads(model_path(out, "note_cnn").with_suffix(".json").read_text(encoding="utf-8"))
    assert card["valid_loss"] <= 1.045, card["valid_loss"]  # knowing nothing costs 2.303 nats
    logs = [read_rewards(out, epsilon) for epsilon in PAPER["epsilons"]]
    assert {len(log) for log in logs} == {PAPER["iterations"]}
    ends = [float(log[-1000:].mean()) for log in logs]
    print(*(f"epsilon {epsilon}: {end:.2f}" for epsilon, end in zip(PAPER["epsilons"], ends)))
    assert ends == sorted(ends, reverse=True), "Figure 4: the less explored, the more earned"


if __name__ == "__main__":
    check(Path(sys.argv[1]))
