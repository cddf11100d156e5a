"""Files that somebody damaged, or made to do damage, of every format that is read; from a seed."""

import contextlib
import csv
import io
import json
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from blind import SMALL
from safetensors import safe_open
from safetensors.numpy import save as save_arrays

from drum_qtuner.answers import answer_line, pool
from drum_qtuner.beat import Beat
from drum_qtuner.clips import load_clips
from drum_qtuner.design import load_key
from drum_qtuner.groove import INFO_COLUMNS
from drum_qtuner.midi import _midi_bytes
from drum_qtuner.own_data import bars_of
from drum_qtuner.store import WEIGHTS, load

resource = pytest.importorskip("resource", reason="memory is limited as POSIX does it")

ODD = [
    None, True, -1, 0, 1, 2**31, 2**70, 1e308, float("nan"), float("inf"), "", "x", "9" * 5000,
    "\x1b[31m", "</script>", [], {}, [[]], {"a": {}}, [0] * 40, "../up", "\0",
]  # fmt: skip


def beat(rng, bars: int = 2) -> Beat:
    velocity = rng.integers(1, 128, (16 * bars, 9)) * (rng.random((16 * bars, 9)) < 0.2)
    velocity[16 * bars - 4, 1] = 90
    return Beat(velocity, rng.uniform(-0.4, 0.4, velocity.shape), int(rng.integers(60, 200)))


def damaged(data: bytes, rng) -> bytes:
    "A few bytes changed, cut out, doubled or put in, or the end cut off."
    held = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        at, length = int(rng.integers(len(held) + 1)), int(rng.integers(1, 9))
        piece = bytes(held[at : at + length])
        noise = rng.choice([rng.bytes(length), bytes(length), b"\xff" * length, piece * 3])
        end = len(held) if rng.random() < 0.05 else at + length * int(rng.integers(2))
        held[at:end] = noise
    return bytes(held)


def changed(value, rng):
    "JSON in which one thing, anywhere, is another one, or is gone."
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return ODD[rng.integers(len(ODD))]
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[rng.integers(len(keys))]
    copy = value.copy()
    if rng.random() < 0.15:
        del copy[key]
    else:
        copy[key] = changed(value[key], rng)
    return copy


def midi(rng) -> bytes:
    return damaged(_midi_bytes(beat(rng, int(rng.integers(1, 4)))), rng)


def table(rng) -> bytes:
    "An info.csv with three rows, of which some words are odd."
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(INFO_COLUMNS)
    for i, split in enumerate(("train", "validation", "test")):
        row = ["d", "s", f"d/{i}", "rock", "120", "beat", "4-4", f"{i}.mid", split]
        if rng.random() < 0.5:
            row[rng.integers(len(row))] = str(ODD[rng.integers(len(ODD))])
        rows.writerow(row)
    return file.getvalue().encode()


def archive(rng) -> bytes:
    "A zip of three files, with a table or without; files, table, or the zip itself damaged."
    file, kind = io.BytesIO(), rng.integers(4)
    files = {f"{i}.mid": _midi_bytes(beat(rng)) for i in range(4)}
    if rng.random() < 0.7:
        files["info.csv"] = table(rng)
    if kind < 2:
        name = list(files)[rng.integers(len(files))]
        files[name] = damaged(files[name], rng)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            odd = rng.random() < 0.05
            made.writestr(
                str(rng.choice(["\x1b[31mx.mid", "a/" * 200, "b.mid"])) if odd else name, data
            )
    return file.getvalue() if kind < 2 else damaged(file.getvalue(), rng)


def weights(rng) -> bytes:
    "The weights of a network, with another card, other numbers, or damaged bytes."
    name = rng.choice(["note_cnn", "dqn-0.1"])
    with safe_open(WEIGHTS / f"{name}.safetensors", "np") as held:
        tensors = {key: held.get_tensor(key) for key in held.keys()}
        card = json.loads(held.metadata()["card"])
    kind = rng.integers(4)
    if kind == 0:
        card["sizes"] = changed(card["sizes"], rng)
    if kind == 1:
        card = changed(card, rng)
    if kind == 2:
        key = rng.choice(list(tensors))
        shapes = [tensors[key].ravel(), tensors[key][:1], tensors[key] * np.nan]
        tensors[key] = shapes[rng.integers(3)]
    data = save_arrays(tensors, {"card": json.dumps(card)})
    return damaged(data[:1_500], rng) + data[1_500:] if kind == 3 else data


def answers(rng) -> bytes:
    "The answers of one listener, of which some are others."
    lines = [
        answer_line(SMALL, "ann", trial, ["first", "second"][trial % 2])
        for trial in range(len(SMALL.trials("ann")))
    ]
    for at in rng.integers(len(lines), size=3):
        lines[at] = json.dumps(changed(json.loads(lines[at]), rng))
    data = "\n".join(lines).encode()
    return damaged(data, rng) if rng.random() < 0.5 else data


def key(rng) -> bytes:
    return json.dumps(changed(json.loads(SMALL.key()), rng)).encode()


def read_midi(path: Path, rng):
    how = dict(strict=bool(rng.integers(2)), fit_bars=bool(rng.integers(2)))
    try:
        bars_of(path.read_bytes(), **how)
    finally:
        Beat.from_midi(path, **how)


def read_key(path: Path, rng):
    design = load_key(path)
    path.with_suffix(".jsonl").write_bytes(answers(rng))
    pool([path.with_suffix(".jsonl")], design, mix=True)


FORMATS: dict[str, tuple[Callable, Callable]] = {  # what makes a file, what reads it
    "mid": (midi, read_midi),
    "zip": (archive, lambda path, rng: load_clips(path, "all", verbose=False)),
    "safetensors": (weights, lambda path, rng: load(path)),
    "jsonl": (answers, lambda path, rng: pool([path], SMALL)),
    "json": (key, read_key),
}


def campaign(kind: str, n: int, folder: Path, seed: int = 0) -> dict:
    "Read n files: how many were read, how many refused; all other ends; the slowest, the largest."
    make, read = FORMATS[kind]
    found = dict(tried=n, read=0, refused=0, faults=[], seconds=0.0, megabytes=0.0)
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        path = folder / f"it.{kind}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two files of a zip may have one name
            path.write_bytes(make(rng))
        held, begin = _peak(), time.process_time()
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                read(path, rng)
            found["read"] += 1
        except ValueError as error:
            found["refused"] += 1
            if not str(error):
                found["faults"].append((number, "an error without a word"))
        except Exception as error:
            found["faults"].append((number, repr(error)))
        found["seconds"] = max(found["seconds"], time.process_time() - begin)
        found["megabytes"] = max(found["megabytes"], _peak() - held)
    return found


def _peak() -> float:
    "The most memory that this process has had, in MB."
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
