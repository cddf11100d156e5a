"""What the tests share: the repository and copies of it."""

import multiprocessing
import os
import shutil
from pathlib import Path

import pytest
from browser import chromium, firefox, lab, open_page, playwright  # noqa: F401 (fixtures: one browser for all tests of a process)
from sequencer import studio  # noqa: F401 (a fixture)

if "DRUM_QTUNER_GROOVE" in os.environ:  # the tests run in several folders
    os.environ["DRUM_QTUNER_GROOVE"] = str(Path(os.environ["DRUM_QTUNER_GROOVE"]).resolve())


LIBRARIES = [  # that most notebooks need, and that take seconds to load
    "drum_qtuner.runs",
    "drum_qtuner.studio",
    "matplotlib.pyplot",
    "nbdev.test",
    "scipy.stats",
    "torch._dynamo",
]


@pytest.fixture(scope="session")
def repo() -> Path:
    "The root of the repository."
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def copy_of_repo(repo):
    "A function that copies the repository, without its environments and builds, to a new folder."
    ignore = shutil.ignore_patterns(
        ".venv",
        "node_modules",
        ".git",
        "_docs",
        "_proc",
        "build",
        "dist",
        "runs",
        "*.egg-info",
        "__pycache__",
        ".ipynb_checkpoints",
        ".pytest_cache",
        ".mypy_cache",
        ".ruff_cache",
        "artefacts",
        "editions",
        ".hypothesis",
    )
    return lambda folder: shutil.copytree(repo, folder, ignore=ignore)


@pytest.fixture
def workspace(copy_of_repo, tmp_path) -> Path:
    "A copy of the repository in which anything may be changed: no test touches the user's files."
    return copy_of_repo(tmp_path / "drum_qtuner")


@pytest.fixture(scope="session")
def fresh_process():
    "A function that runs another one in a new process, in which the big libraries are loaded."
    os.environ["TQDM_DISABLE"] = "1"
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(LIBRARIES)

    def run(function, *arguments) -> int:
        process = processes.Process(target=function, args=arguments)
        process.start()
        process.join()
        return process.exitcode

    return run
