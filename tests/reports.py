"""A report of networks that come along, for all tests that open one."""

import functools
import tempfile
from types import SimpleNamespace

import numpy as np

from drum_qtuner.preprocessing import load_clips
from drum_qtuner.report import write_report
from drum_qtuner.store import load_pretrained


@functools.cache
def report_page() -> str:
    "Of the Note-CNN and a Q-network that was tuned long enough, with a reward that is flat."
    note_cnn, tuned = load_pretrained("note_cnn"), load_pretrained("dqn-0.1")
    note_cnn.card |= {"valid_loss": 1.04, "test_loss": 1.02}
    settings = SimpleNamespace(seed=3, iterations=20_000, note_cnn_clips=150_000, epsilons=(0.1,))
    models, log = {"note_cnn": note_cnn, "dqn-0.1": tuned}, np.full(20_000, -0.7, np.float32)
    clips = load_clips(split="all", verbose=False)
    paths = write_report(tempfile.mkdtemp(), settings, clips, models, {0.1: log})
    return paths[-1].read_text(encoding="utf-8")
