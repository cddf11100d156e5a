"""What is saved is never lost or mixed up: kills, Ctrl-C, full disks, damage, two at once."""

import hashlib
import importlib.util
import multiprocessing
import os
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import small_dataset, write_zip
from numba.core import caching

from drum_qtuner import GROOVES
from drum_qtuner.beat_player import _encoded, _pages, opus
from drum_qtuner.design import design, load_key
from drum_qtuner.fast_tuning import fast_tune, fast_tune_many
from drum_qtuner.files import write_file
from drum_qtuner.fit import CheckpointError, load_checkpoint
from drum_qtuner.listening import listening_page
from drum_qtuner.manifest import changed_files
from drum_qtuner.note_cnn import new_note_cnn
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.rewards import LogProbability
from drum_qtuner.run_folder import RunSettings, alone_in, claim_folder, read_rewards
from drum_qtuner.runs import run
from drum_qtuner.store import load_pretrained
from drum_qtuner.sweeps import sweep

pytestmark = pytest.mark.xdist_group("saved")  # one worker: the tests share a run
SMALL = RunSettings(note_cnn_clips=320, iterations=6_000, epsilons=(0.1,))


def small_run(out, data, tell=print):
    "A run that takes seconds."
    return run(SMALL, out, load_clips(data, "all", verbose=False), tell)


def hashes(out: Path) -> dict:
    "The SHA-256 of every file of a run."
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    "A few clips of one's own."
    return write_zip(tmp_path_factory.mktemp("data") / "mine.zip", small_dataset())


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    "A run that nobody disturbed; all folders here have one name, for the report shows it."
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    small_run(out, data)
    return out


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_killed_and_no_space_left(data, undisturbed, fresh_process, tmp_path, monkeypatch):
    "Killed at two moments, then four times a full disk: in the end the same files, and no others."
    out, draw, real = tmp_path / "run", random.Random(0), Path.write_bytes
    for _ in range(2):
        process = multiprocessing.get_context("forkserver").Process(
            target=small_run, args=(out, data)
        )
        process.start()
        process.join(draw.uniform(0.2, 3))
        process.kill()
        process.join()
    for name in ("manifest.json", "dqn-0.1.rewards", "02.mid", "report.html"):

        def full(path, content, name=name):
            if path.name.startswith(f".{name}"):
                real(path, content[:7])
                raise OSError(28, "No space left on device")
            return real(path, content)

        (out / "manifest.json").unlink(missing_ok=True)  # so that all is made again
        with monkeypatch.context() as patched:
            patched.setattr(Path, "write_bytes", full)
            with pytest.raises(OSError, match=rf"No space left.*{name}"):
                small_run(out, data)
        assert not list(out.rglob("*.part"))
    small_run(out, data)
    assert hashes(out) == hashes(undisturbed)


def test_lost_emptied_and_changed_files_are_made_again(data, undisturbed, tmp_path):
    "And so is what says whose folder it is; what others leave behind is no concern of ours."
    out, heard = tmp_path / "run", []
    shutil.copytree(undisturbed, out)
    for name in ("beats/dqn-0.1/01.mid", "models/dqn-0.1.json", "report.html"):
        (out / name).unlink()
    for name in ("beats/note_cnn/02.mid", "figures/figure-4.png", "models/dqn-0.1.rewards.npz"):
        (out / name).write_bytes(b"")
    changed = bytearray((out / "models/note_cnn.safetensors").read_bytes())
    changed[-1] ^= 1
    (out / "models/note_cnn.safetensors").write_bytes(changed)
    (out / "settings.json").write_text("[[[[")
    (out / "beats/.beat.mid.1f3a.part").write_bytes(b"half")
    (out / "checkpoints").mkdir()
    (out / "checkpoints/note_cnn").write_bytes(b"damaged")
    small_run(out, data, heard.append)
    assert hashes(out) == hashes(undisturbed)
    said = "\n".join(heard)
    for word in ("settings.json is missing or damaged", "note_cnn: not a safetensors file"):
        assert word in said
    for stage in ("note_cnn", "dqn-0.1", "report"):
        assert f"missing or changed, so {stage} is made again" in said


def test_a_damaged_list_and_what_systems_leave_behind(tmp_path):
    heard, facts = [], {"seed": 0}
    (tmp_path / ".DS_Store").touch()
    claim_folder(tmp_path, facts)
    (tmp_path / "manifest.json").write_text("[[[[")
    claim_folder(tmp_path, facts, heard.append)
    assert "manifest.json: damaged; remove it" in heard[0] and len(heard) == 1
    assert changed_files(tmp_path, "settings") == []
    (tmp_path / "settings.json").write_bytes(b"")
    with pytest.raises(ValueError, match="damaged.*choose another folder"):
        claim_folder(tmp_path, {"seed": 1})
    claim_folder(tmp_path, facts, heard.append)
    assert "settings.json is missing or damaged: written again" in heard[1]


def test_two_runs_in_one_folder(data, tmp_path):
    with alone_in(tmp_path), pytest.raises(ValueError, match="another process is at work in"):
        small_run(tmp_path, data)
    assert os.listdir(tmp_path) == [".lock"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX signals")
def test_ctrl_c_in_the_encoder():
    "A sound is whole, or the interruption arrives: never half a sound and no interruption."
    samples = np.random.default_rng(0).normal(0, 0.1, 44_100)
    whole, draw, interrupted = opus(samples), random.Random(0), 0
    start = time.perf_counter()
    opus(samples)
    took = time.perf_counter() - start  # the second time, for the first imports the encoder
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for _ in range(40):
            try:
                signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-4, took))
                assert opus(samples) == whole
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted


def test_a_sound_without_one_of_its_pages():
    ogg = _encoded(np.random.default_rng(0).normal(0, 0.1, 24_000))
    pages = _pages(ogg)
    assert b"".join(pages) == ogg and len(pages) >= 3
    for lost in pages:
        with pytest.raises(ValueError, match="a piece of an encoded sound is missing"):
            _pages(ogg.replace(lost, b""))


def test_four_threads_write_one_file(tmp_path):
    contents = [bytes([i]) * 100_000 for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda content: write_file(tmp_path / "file", content), contents * 25))
    assert (tmp_path / "file").read_bytes() in contents and os.listdir(tmp_path) == ["file"]


def double(seed, x):
    return {"double": 2 * x}


def test_two_sweeps_on_one_table(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        jobs = [({"x": list(range(10 * i, 10 * i + 10))}, [0], tmp_path / "t") for i in (0, 1)]
        list(pool.map(lambda job: sweep(*job, double), jobs))
    assert sorted(pd.read_parquet(tmp_path / "t")["double"]) == list(range(0, 40, 2))


def test_a_row_that_failed_does_not_replace_a_good_one(tmp_path):
    "Another sweep finished the run meanwhile, and here the memory was not enough."

    def fragile(seed, x):
        if not (tmp_path / "again").exists():
            (tmp_path / "again").touch()
            sweep({"x": [x]}, [seed], tmp_path / "t", fragile, version="1")
            raise MemoryError
        return {"double": 2 * x}

    assert list(sweep({"x": [4]}, [0], tmp_path / "t", fragile, version="1")["error"]) != [""]
    assert list(pd.read_parquet(tmp_path / "t")["double"]) == [8]


def test_results_of_every_kind_keep_their_rows(tmp_path):
    answers = [3, "three", {"a": [3]}, 10**30, "\ud800", None, np.eye(2), object(), {4}, 1.5]

    def odd(seed, x):
        return {"answer": answers[x]}

    with pytest.warns(UserWarning, match="'answer' holds values of several kinds: kept as text"):
        sweep({"x": list(range(10))}, [0], tmp_path / "t", odd)
    kept = pd.read_parquet(tmp_path / "t")
    assert list(kept["x"]) == list(range(10)) and (kept["error"] == "").all()
    assert kept["answer"].isna().tolist() == [i == 5 for i in range(10)]
    assert kept["answer"].tolist()[:4] == ["3", "three", '{"a": [3]}', "1" + 30 * "0"]


@pytest.mark.parametrize(
    "results, words", [(3, "a run gives a dictionary"), ({"run": 1}, "'run'"), ({"x": 1}, "'x'")]
)
def test_results_that_are_no_row(results, words, tmp_path):
    def odd(seed, x):
        return results

    sweep({"x": [2]}, [0], tmp_path / "t", odd)
    [row] = pd.read_parquet(tmp_path / "t").to_dict("records")
    assert words in row["error"] and row["x"] == 2


def test_a_tuning_goes_on_with_its_own_networks(tmp_path):
    note_cnn, other, file = load_pretrained("note_cnn"), new_note_cnn(1), tmp_path / "run"
    fast_tune(note_cnn, iterations=5, checkpoint=file)
    for wrong, reward in ((note_cnn, LogProbability(other)), (other, LogProbability(note_cnn))):
        with pytest.raises(CheckpointError, match="belongs to a training with"):
            fast_tune(wrong, iterations=5, checkpoint=file, reward=reward)
    many = fast_tune_many(note_cnn, [0.1, 0.3], [0, 1], iterations=5, checkpoint=tmp_path / "many")
    assert len(os.listdir(tmp_path / "many")) == len(many) == 4
    with pytest.raises(ValueError, match="is a file"):
        fast_tune_many(note_cnn, checkpoint=file)


def test_damaged_checkpoints_are_one_clear_error(tmp_path):
    "Bits turned over, bytes put in or taken out: refused, or the very same content."
    file, draw, refused = tmp_path / "run", random.Random(0), 0
    fast_tune(new_note_cnn(0, channels=4, hidden=4), iterations=5, checkpoint=file)
    whole, expected = file.read_bytes(), load_checkpoint(file, {})
    for number in range(300):
        damaged, at = bytearray(whole), draw.randrange(900 if number % 2 else len(whole))
        if number % 3 == 0:
            damaged[at] ^= 1 << draw.randrange(8)
        elif number % 3 == 1:
            damaged[at:at] = draw.randbytes(3)
        else:
            del damaged[at : at + draw.randrange(1, 99)]
        file.write_bytes(damaged)
        try:
            found = load_checkpoint(file, {})
            assert str(found) == str(expected)
        except CheckpointError as error:
            assert str(file) in str(error) and "remove it" in str(error)
            refused += 1
    assert refused > 290


def test_the_key_of_a_test_is_written_before_its_page(tmp_path, monkeypatch):
    "A page without its key would waste the time of a class."
    rock, real = [GROOVES["rock"]], Path.write_bytes
    test = design({"one": rock, "two": rock}, rock * 2, beats=1, sheets=2)

    def full(path, content):
        if ".html" in path.name:
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="test.html"):
        listening_page(test, tmp_path / "test.html")
    assert os.listdir(tmp_path) == ["test.key.json"]
    assert load_key(tmp_path / "test.key.json").test == test.test


def cached(folder, source):
    "A function of a new module, compiled, and how often its machine code was found."
    path = folder / "made.py"
    text = f"from drum_qtuner.compiling import compiled_with\n{source}"
    if not path.exists() or path.read_text() != text:  # numba looks at the time of the file
        path.write_text(text)
    spec = importlib.util.spec_from_file_location("made", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.made(3), sum(module.made.stats.cache_hits.values())


MADE = "@compiled_with()\ndef made(x):\n    return x + 1\n"


def test_machine_code_is_kept_and_healed(tmp_path):
    assert [cached(tmp_path, MADE), cached(tmp_path, MADE)] == [(4, 0), (4, 1)]
    for ending in ("nbc", "nbi"):
        for damage in (lambda data: data[:-9], lambda data: data[:-1] + b"?", lambda data: b""):
            [path] = tmp_path.rglob(f"*.{ending}")
            path.write_bytes(damage(path.read_bytes()))
            with pytest.warns(UserWarning, match="was damaged, and is made again"):
                assert cached(tmp_path, MADE) == (4, 0)
            assert cached(tmp_path, MADE) == (4, 1)
    assert cached(tmp_path, MADE.replace("x + 1", "x + 2")) == (5, 0)


def test_no_folder_for_machine_code(tmp_path, monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert [cached(tmp_path, MADE), cached(tmp_path, MADE)] == [(4, 0), (4, 0)]
    assert not list(tmp_path.rglob("*.nb?"))


def test_no_space_for_machine_code(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_open_for_write", full)
    with pytest.warns(UserWarning, match="cannot be kept in .*No space left"):
        assert cached(tmp_path, MADE) == (4, 0)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"[[[[", b"\x93NUMPY\1\0"])
def test_a_damaged_reward_log(content, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/dqn-0.1.rewards.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"dqn-0.1.rewards.npz: not a reward log"):
        read_rewards(tmp_path, 0.1)
