"""The judge in numpy: what torch says, and no torch for it."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from beats import few_clips, random_beats

from drum_qtuner.hearing import HearingJudge, hearing_judge, log_likelihoods
from drum_qtuner.judge import Judge, load_judge

torch.set_num_threads(1)


@pytest.mark.parametrize("sizes", [dict(readers=1, hidden=8, width=3), dict(readers=2, hidden=5)])
def test_torch_says_the_same(sizes):
    "Step by step, also beyond two bars, of networks with weights by chance."
    torch.manual_seed(0)
    judge, classes = Judge(**sizes).eval(), torch.randint(10, (7, 48))
    with torch.no_grad():
        said = judge(classes).numpy()
    weights = {name: value.numpy() for name, value in judge.state_dict().items()}
    np.testing.assert_allclose(HearingJudge(weights)(classes.numpy()), said, atol=1e-5)


def test_scores_of_the_packaged_judge_are_those_of_torch():
    "People, and dice, more than are asked at a time."
    for beats in (few_clips().split("test"), random_beats(300)):
        here, there = (log_likelihoods(judge, beats) for judge in (hearing_judge(), load_judge()))
        np.testing.assert_allclose(here, there, atol=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_very_sure_judge_overflows_nowhere():
    weights = {name: 1000 * value.numpy() for name, value in Judge(1, 8).state_dict().items()}
    assert np.isfinite(log_likelihoods(HearingJudge(weights), random_beats(5))).all()


def test_a_panel_needs_no_torch(tmp_path):
    "In a new process, where nothing has imported it."
    code = """
import sys
from drum_qtuner.beat import Beat
from drum_qtuner.panel import evaluate
beats = [Beat.from_classes([i % 9, 9, 6, 9] * 8) for i in range(50)]
assert evaluate(beats, repeats=1, draws=2)["figure"].nunique() == 33
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
