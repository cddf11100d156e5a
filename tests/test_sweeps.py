"""Sweeps: every run once, whatever is interrupted, killed or fails, here and on a cluster."""

import io
import itertools
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform

from drum_qtuner.files import write_file
from drum_qtuner.run_table import read_rows
from drum_qtuner.sweeps import configurations, function_name, network_hash, sweep, tuning_run

ROOT = Path(__file__).resolve().parent.parent


def square(seed, x, y=0):
    if x == 13:
        raise RuntimeError("thirteen")
    return {"square": x**2 + y, "noise": float(np.random.default_rng(seed).random())}


def test_a_grid_is_every_combination():
    space = {"a": [1, 2, 3], "b": ["x", None], "c": [0.5]}
    expected = [dict(zip("abc", values)) for values in itertools.product(*space.values())]
    found = configurations(space)
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert configurations([{"a": [1]}, {"b": [2]}]) == [{"a": 1}, {"b": 2}]


def test_random_search_draws_from_the_distributions():
    space = {"rate": loguniform(1e-4, 1e-2), "gamma": [0.0, 0.5]}
    drawn = configurations(space, samples=200, seed=1)
    assert (
        drawn
        == configurations(space, samples=200, seed=1)
        != configurations(space, samples=200, seed=2)
    )
    rates = np.array([setting["rate"] for setting in drawn])
    assert rates.min() >= 1e-4 and rates.max() <= 1e-2 and 0.35 < (rates < 1e-3).mean() < 0.65
    assert all(type(setting["rate"]) is float for setting in drawn)


@pytest.mark.parametrize("space", [{"a": 1}, 5, {"a": []}, [3]])
def test_what_is_no_space(space, tmp_path):
    with pytest.raises(ValueError, match="space|nothing to do"):
        sweep(space, [0], tmp_path / "table.parquet", square)


def test_a_table_holds_every_run(tmp_path, capsys):
    path = tmp_path / "table.parquet"
    table = sweep({"x": [1, 13, 3], "y": [0, 1]}, [0, 1], path, square)
    assert len(table) == 12 and list(table["error"].unique()) == ["", "RuntimeError: thirteen"]
    good = table[table["error"] == ""]
    assert (good["square"] == good["x"] ** 2 + good["y"]).all() and table[table["x"] == 13][
        "square"
    ].isna().all()
    assert good["noise"].nunique() == 2
    assert "4 of 12 runs failed" in capsys.readouterr().out
    assert sorted(pd.read_parquet(path)["run"]) == sorted(table["run"])


def test_finished_runs_are_not_repeated(tmp_path):
    calls = []

    def counted(seed, x):
        calls.append((x, seed))
        return {"double": 2 * x}

    path = tmp_path / "table.parquet"
    first = sweep({"x": [1, 2]}, [0], path, counted)
    more = sweep({"x": [2, 3]}, [0, 1], path, counted)
    assert calls == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1)]
    assert more["double"].tolist() == [4, 4, 6, 6] and len(pd.read_parquet(path)) == 5
    assert first.iloc[1]["seconds"] == more.iloc[0]["seconds"]


def test_rows_of_another_function_are_not_believed(tmp_path, capsys):
    "Another function, other data or another network on the same path: own rows, none lost."
    from dataclasses import replace

    from drum_qtuner.dqn_tuning import new_q_network
    from drum_qtuner.preprocessing import load_clips
    from drum_qtuner.store import load_pretrained

    def cube(seed, x, y=0):
        return {"square": x**3}

    path = tmp_path / "table.parquet"
    clips = load_clips(verbose=False)
    others = replace(clips, origin=replace(clips.origin, hash="f" * 64))
    network = new_q_network(load_pretrained("note_cnn"))
    space = {"x": [2, 5]}
    assert sweep(space, [0], path, square)["square"].tolist() == [4, 25]
    assert "another" not in capsys.readouterr().out
    for number, (run, more, word) in enumerate(
        [
            (cube, {}, "function"),
            (square, {"data": others}, "data"),
            (square, {"network": network}, "network"),
            (cube, {"version": "2"}, "function"),
        ],
        2,
    ):
        table = sweep(space, [0], path, run, **more)
        assert table["square"].tolist() == ([8, 125] if run is cube else [4, 25])
        assert f"holds 2 of 2 runs, but of another {word}" in capsys.readouterr().out
        assert len(pd.read_parquet(path)) == 2 * number
    before = path.read_bytes()
    assert sweep(space, [0], path, square)["square"].tolist() == [4, 25]
    assert path.read_bytes() == before and capsys.readouterr().out == ""


def test_rows_that_do_not_say_whose_they_are_are_kept_and_not_believed(tmp_path):
    path = tmp_path / "table.parquet"
    sweep({"x": [2]}, [0], path, square)
    pd.read_parquet(path).drop(columns="of").assign(square=99).to_parquet(path)
    assert sweep({"x": [2]}, [0], path, square)["square"].tolist() == [4]
    assert sorted(pd.read_parquet(path)["square"]) == [4, 99]


def test_a_function_is_known_by_what_it_does(tmp_path):
    "Comments and layout do not make another function; a digit does, also where there is no source."
    sources = {
        "one": "def run(seed, x):\n    return {'y': x * 2}\n",
        "same": "def run(seed, x):\n    # twice\n\n    return {'y':  x*2}\n",
        "other": "def run(seed, x):\n    return {'y': x * 3}\n",
    }
    found = {}
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
        for kind, file in (("read", str(tmp_path / f"{name}.py")), ("typed", "<string>")):
            space = {"__name__": "made"}
            exec(compile(source, file, "exec"), space)
            found[name, kind] = function_name(space["run"])
    for kind in ("read", "typed"):
        assert found["one", kind] == found["same", kind] != found["other", kind]
        assert found["one", kind].startswith("made.run ")
    with pytest.raises(ValueError, match="a sweep runs a function"):
        sweep({"x": [1]}, [0], tmp_path / "table.parquet", Path)


def test_a_network_is_known_by_its_weights():
    from drum_qtuner.store import load_pretrained

    names = ["note_cnn", "dqn-0.1", "dqn-0.5"]
    assert len({network_hash(load_pretrained(name)) for name in names}) == 3
    assert network_hash(load_pretrained("note_cnn")) == network_hash(load_pretrained("note_cnn"))


@pytest.mark.parametrize(
    "path, space, name, version",
    [
        ("nbs/audit.parquet", None, "audit_run", "2"),
        ("nbs/audit_budgets.parquet", None, "budget_run", "1"),
        ("nbs/figure4_curves.parquet", None, "reward_curve", "1"),
        ("nbs/lib/audit_each_state.parquet", None, "audit_run", "2"),
        ("nbs/lib/audit_luck.parquet", None, "audit_run", "2"),
        ("nbs/lib/figure4_authors_way.parquet", None, "authors_run", "1"),
        ("nbs/lib/tuning_study.parquet", {"epsilon": [0.1, 0.5]}, "tuning_run", "1"),
    ],
)
def test_the_tables_of_the_course_are_of_its_data_and_network(path, space, name, version):
    from drum_qtuner.sweeps import made_of

    def run(seed):
        pass

    run.__name__ = name
    table = pd.read_parquet(ROOT / path)
    assert set(table["of"]) == {made_of(run, version=version)}
    if space:
        never = ROOT / path
        before = never.read_bytes()
        assert len(sweep(space, range(10), never, version="1")) == 20
        assert never.read_bytes() == before


def test_several_processes_give_the_same_table(tmp_path):
    one, two = (
        sweep({"x": list(range(8))}, [0, 1], tmp_path / f"{n}.parquet", square, workers=n)
        for n in (1, 2)
    )
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), two.drop(columns="seconds"))


def test_a_damaged_table_is_one_clear_error(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(ValueError, match="table.parquet: not the table of a sweep"):
        sweep({"x": [1]}, [0], path, square)
    assert path.read_bytes() == b"PAR1 nothing"
    with pytest.raises(ValueError, match="engine"):
        sweep({"x": [1]}, [0], tmp_path / "new.parquet", square, engine="cloud")
    with pytest.raises(ValueError, match="numbers, texts"):
        sweep({"x": [{1, 2}]}, [0], tmp_path / "new.parquet", square)


def test_a_table_can_be_read_while_it_is_replaced(tmp_path):
    "Each reading sees one table whole, whatever another process renames over it meanwhile."
    path, over = tmp_path / "table.parquet", threading.Event()
    tables = []
    for n in (1, 400):
        rows = pd.DataFrame({"run": [f"{i:050}" for i in range(n)], "of": "a", "error": ""})
        rows.to_parquet(buffer := io.BytesIO())
        tables.append(buffer.getvalue())

    def replace():
        for table in itertools.cycle(tables):
            if over.is_set():
                return
            write_file(path, table)

    write_file(path, tables[0])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace)
        try:
            assert {len(read_rows(path)) for _ in range(300)} <= {1, 400}
        finally:
            over.set()
        writing.result()


SLOW = """
import sys, time
from drum_qtuner.sweeps import sweep
def slow(seed, x):
    print(x, flush=True)
    time.sleep(.3)
    return {"double": 2 * x}
print(sweep({"x": list(range(6))}, [0], sys.argv[1], slow)["double"].tolist())
"""


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_sweep_goes_on(tmp_path):
    command = [sys.executable, "-c", SLOW, str(tmp_path / "table.parquet")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    started = [process.stdout.readline().strip() for _ in range(3)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert started == ["0", "1", "2"]
    again = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert again[:-2] == ["2", "3", "4", "5"] and again[-2] == "[0, 2, 4, 6, 8, 10]"


def test_tuning_is_what_it_says(tmp_path):
    "The numbers of a run are those of the network that the same settings and seed give."
    from drum_qtuner import fast_tune, load_pretrained
    from drum_qtuner.evaluation import greedy_reward

    note_cnn = load_pretrained("note_cnn")
    q, rewards = fast_tune(note_cnn, epsilon=0.3, iterations=1500, seed=4, episode_steps=32)
    table = sweep(
        {"epsilon": [0.3], "iterations": [1500], "episode_steps": [32]},
        [4],
        tmp_path / "table.parquet",
    )
    assert table["exploring"][0] == pytest.approx(rewards[-1000:].mean(), abs=1e-6)
    assert table["greedy"][0] == pytest.approx(greedy_reward(q, note_cnn), abs=1e-9)
    with pytest.raises(TypeError):
        tuning_run(0, nonsense=1)


def test_a_cluster_may_need_a_second_start(monkeypatch):
    "On a busy machine its parts give each other up; then they are started once more."
    from types import SimpleNamespace

    from drum_qtuner import sweeps

    for name in sweeps._PATIENCE:
        monkeypatch.setenv(name, "1")  # and is put back afterwards
    for failures, expected in ((1, ["init", "shutdown", "init"]), (0, ["init"])):
        calls = []

        def init(calls=calls, failures=failures, **options):
            calls.append("init")
            if calls.count("init") <= failures:
                raise RuntimeError("The current node timed out during startup.")

        shutdown = lambda calls=calls: calls.append("shutdown")
        ray = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=shutdown)
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setattr(sweeps.time, "sleep", lambda seconds: None)
        assert sweeps._start_ray(2) is ray and calls == expected
    calls.clear()
    ray.init = lambda **options: 1 / 0
    with pytest.raises(ZeroDivisionError):
        sweeps._start_ray(2)


@pytest.mark.xdist_group("ray")
def test_a_cluster_that_loses_a_worker(tmp_path):
    "The process of one run is killed in the middle; the table equals the serial one."
    ray = pytest.importorskip(
        "ray", reason="Ray is not installed: pip install 'drum-qtuner[sweep]'"
    )
    note = tmp_path / "killed"

    def deadly(seed, x):
        import os
        import time
        from pathlib import Path

        time.sleep(0.2)
        if x == 3 and not Path(note).exists():
            Path(note).touch()
            os.kill(os.getpid(), 9)
        return {"square": x**2, "seed squared": seed**2}

    try:
        on_ray = sweep(
            {"x": list(range(6))}, [0, 1], tmp_path / "ray.parquet", deadly, engine="ray", workers=2
        )
    finally:
        ray.shutdown()
    assert note.exists()
    serial = sweep({"x": list(range(6))}, [0, 1], tmp_path / "serial.parquet", deadly)
    pd.testing.assert_frame_equal(on_ray.drop(columns="seconds"), serial.drop(columns="seconds"))
