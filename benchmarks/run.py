"""Times everything as ratios to plain programs; writes results.md and growth.svg beside this file.

Each measurement alternates with its baseline, so that what slows the machine down slows both. The
table gives the median of the repetitions and their range.

    python benchmarks/run.py [--quick]
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

os.environ["TQDM_DISABLE"] = "1"
import numpy as np
import pyperf
import torch

sys.path.insert(0, str(Path(__file__).parent))
import baseline

from drum_qtuner.batched_tuning import tune_many
from drum_qtuner.decoding import generate
from drum_qtuner.dqn_tuning import tune
from drum_qtuner.fast_tuning import fast_tune, fast_tune_many
from drum_qtuner.files import write_file
from drum_qtuner.groove import packaged_performances
from drum_qtuner.note_cnn import train
from drum_qtuner.preprocessing import cut, load_clips
from drum_qtuner.store import load_pretrained

HERE = Path(__file__).parent
EPSILONS = (0.01, 0.05, 0.1, 0.3, 0.5)


def seconds(function) -> float:
    "Wall-clock time of one call."
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def alternating(repetitions: int, *pairs) -> list[list[float]]:
    "Times of several (function, number of things it does), in turn, by thing, after a warm-up."
    times = [[] for _ in pairs]
    for repetition in range(repetitions + 1):
        for found, (function, number) in zip(times, pairs):
            taken = seconds(function) / number
            if repetition:
                found.append(taken)
    return times


def readable(value: float) -> str:
    "Seconds in a unit that suits them."
    unit, factor = next(
        (u, f) for u, f in (("s", 1), ("ms", 1e3), ("µs", 1e6)) if value * f >= 1 or u == "µs"
    )
    return f"{value * factor:.3g} {unit}"


def row(what: str, baseline_name: str, plain: list[float], fast: list[float]) -> str:
    "A line of the table; the range is that of the ratios of neighbouring repetitions."
    ratios = [p / f for p, f in zip(plain, fast)]
    return (
        f"| {what} | {readable(statistics.median(fast))} | {readable(min(fast))} .."
        f" {readable(max(fast))} | {baseline_name} | {readable(statistics.median(plain))} |"
        f" **{statistics.median(ratios):.3g}** | {min(ratios):.3g} .. {max(ratios):.3g} |"
    )


def python(code: str):
    "A function that runs a fresh interpreter."
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def measure(quick: bool, clips):
    "The lines of the table, one after another."
    note_cnn, q = load_pretrained("note_cnn"), load_pretrained("dqn-0.1")
    few, cores, some = (3 if quick else 7), os.cpu_count(), (50 if quick else 200)
    steps = 3_000 if quick else 20_000
    yield row(
        "tuning, one iteration",
        "plain loop, ten passes twice",
        *alternating(
            few,
            (lambda: baseline.tune(note_cnn, iterations=some), some),
            (lambda: fast_tune(note_cnn, iterations=steps), steps),
        ),
    )
    yield row(
        "tuning, one iteration",
        "`tune`",
        *alternating(
            few,
            (lambda: tune(note_cnn, iterations=some), some),
            (lambda: fast_tune(note_cnn, iterations=steps), steps),
        ),
    )
    many = steps * len(EPSILONS)
    yield row(
        f"five epsilons on {cores} cores, one iteration of one",
        "plain loop on one core",
        *alternating(
            few,
            (lambda: baseline.tune(note_cnn, iterations=some), some),
            (lambda: fast_tune_many(note_cnn, EPSILONS, iterations=steps), many),
        ),
    )
    yield row(
        "64 players, one step heard",
        "1 player, `tune_many`",
        *alternating(
            few,
            (lambda: tune_many(note_cnn, updates=some // 2, n_envs=1), some // 2),
            (lambda: tune_many(note_cnn, updates=some // 5, n_envs=64), some // 5 * 64),
        ),
    )
    for name, model in (("Note-CNN", note_cnn), ("Q-network", q)):
        yield row(
            f"1,000 beats, {name}",
            "one by one, step by step",
            *alternating(
                few,
                (partial(baseline.generate, model, 5), 5 / 1000),
                (partial(generate, model, 1000), 1),
            ),
        )
    shown = 1_500 if quick else 6_000
    yield row(
        "Note-CNN training, 150,000 clips (reckoned from fewer)",
        "clip by clip, pass by pass",
        *alternating(
            3,
            (lambda: baseline.train(clips.classes, some // 5), some // 5 / 150_000),
            (lambda: train(clips, clips_shown=shown), shown / 150_000),
        ),
    )
    yield row(
        "`import drum_qtuner`",
        "`import torch`",
        *alternating(few, (python("import torch"), 1), (python("import drum_qtuner"), 1)),
    )
    command = (
        "import sys, tempfile, drum_qtuner.cli as c; c.main(['generate', '--out',"
        " tempfile.mkdtemp()], standalone_mode=False)"
    )
    yield row(
        "`drum_qtuner generate`, 8 beats",
        "`import torch`",
        *alternating(few, (python("import torch"), 1), (python(command), 1)),
    )
    yield row(
        "Groove, from notes to clips",
        "`import torch`",
        *alternating(3, (python("import torch"), 1), (lambda: cut(packaged_performances()), 1)),
    )


def growth(quick: bool) -> dict[str, tuple[list[int], list[float]]]:
    "How the time of each job grows with its size: {job: (sizes, seconds)}."
    note_cnn, q, few = load_pretrained("note_cnn"), load_pretrained("dqn-0.1"), (1 if quick else 3)
    clips = np.random.default_rng(0).integers(10, size=(200_000, 32))
    jobs = {
        "fast_tune: iterations": (
            [1_000, 3_000, 10_000, 30_000, 100_000],
            lambda n: fast_tune(note_cnn, iterations=n),
        ),
        "fast_tune_many: runs of 3,000": (
            [1, 2, 4, 8, 16],
            lambda n: fast_tune_many(note_cnn, [0.1], range(n), iterations=3_000),
        ),
        "tune_many: replicas of 8 players": (
            [1, 2, 4, 8, 16, 32],
            lambda n: tune_many(note_cnn, seeds=range(n), updates=10, n_envs=8),
        ),
        "generate: beats, Note-CNN": ([10, 100, 1_000, 10_000], lambda n: generate(note_cnn, n)),
        "generate: beats, Q-network": ([10, 100, 1_000, 5_000], lambda n: generate(q, n)),
        "train: clips shown": (
            [300, 1_000, 3_000, 10_000],
            lambda n: train(clips.select(slice(1000)), clips_shown=n),
        ),
        "train: clips to choose from": (
            [1_000, 10_000, 100_000, 200_000],
            lambda n: train(clips.select(slice(n)), clips_shown=1_000),
        ),
    }
    return {
        name: (sizes, [min(seconds(partial(job, n)) for _ in range(few)) for n in sizes])
        for name, (sizes, job) in jobs.items()
    }


def plot(jobs: dict) -> None:
    "A picture for each job: on logarithmic axes slope 1 is proportional to the size."
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"], matplotlib.rcParams["svg.fonttype"] = "drum_qtuner", "none"
    fig, axes = plt.subplots(2, 4, figsize=(12, 5), layout="constrained")
    for ax, (name, (sizes, times)) in zip(axes.flat, jobs.items()):
        ax.loglog(sizes, times, "o-", color="#0b7285")
        ax.loglog(sizes, [times[-1] * n / sizes[-1] for n in sizes], ":", color="0.6")
        ax.set(title=name, ylabel="seconds")
        ax.title.set_fontsize(9)
    for ax in axes.flat[len(jobs) :]:
        ax.axis("off")
    fig.savefig(HERE / "growth.svg", metadata={"Date": None})


def machine() -> str:
    "Processor, cores and versions, and nothing that names this computer."
    model = (
        pyperf.Run([1.0], collect_metadata=True)
        .get_metadata()
        .get("cpu_model_name", platform.machine())
    )
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "numba"))
    return (
        f"{model}, {os.cpu_count()} cores; {platform.system()}, Python {platform.python_version()},"
        f" {libraries}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    clips = load_clips()
    fast_tune(load_pretrained("note_cnn"), iterations=1)  # compile
    lines = [
        "# Benchmarks",
        "",
        f"{machine()}.",
        "",
        (
            "Written by `make bench`. Medians of repetitions that alternate with their baseline,"
            " and their ranges; torch on one thread."
        ),
        "",
        "| job | time | range | baseline | its time | times as fast | range |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for line in measure(quick, clips):
        print(line, flush=True)
        lines.append(line)
    plot(growth(quick))
    lines += [
        "",
        "How the times grow with the size of the job (dotted: in proportion to it):",
        "",
        "![Time against size](growth.svg)",
        "",
    ]
    write_file(HERE / "results.md", "\n".join(lines).encode())


if __name__ == "__main__":
    main()
