"""What tests share: written MIDI, small data sets, limits of memory, mistakes in commands."""

import csv
import io
import json
import os
import re
import signal
import time
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import mido
import numpy as np
import pandas as pd

COLUMNS = (
    "drummer session id style bpm beat_type time_signature midi_filename audio_filename duration"
    " split".split()
)


def cells(notebook: Path, kind: str) -> list[dict]:
    "The cells of one kind, with `source` as one text."
    content = json.loads(notebook.read_text(encoding="utf-8"))
    found = [cell for cell in content["cells"] if cell["cell_type"] == kind]
    return [cell | {"source": "".join(cell["source"])} for cell in found]


def without_magics(source: str) -> str:
    "A cell as Python: lines that only a notebook understands are taken out, or do nothing."
    source = re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE)
    return re.sub(r"^(\s+)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


@contextmanager
def at_most(seconds: float, megabytes: float | None = None):
    "Fail if the block needs more processor time, or more memory at its peak."
    if megabytes is not None:
        tracemalloc.start()
    start = time.process_time()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1] / 1e6 if megabytes is not None else 0
    finally:
        if megabytes is not None:
            tracemalloc.stop()
    used = time.process_time() - start
    assert used <= seconds, f"took {used:.1f} s of processor time, more than {seconds}"
    assert megabytes is None or peak <= megabytes, f"took {peak:.0f} MB, more than {megabytes}"


def varlen(number: int) -> bytes:
    "A MIDI variable-length number, of any size."
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(reversed(digits))


def raw_midi(*tracks: bytes, resolution: int = 480, kind: int | None = None) -> bytes:
    "A MIDI file around track bodies that are written byte by byte; nothing is checked."
    header = (min(len(tracks) - 1, 1) if kind is None else kind, len(tracks), resolution % 65536)
    chunks = [b"MTrk" + len(body).to_bytes(4, "big") + body for body in tracks]
    return (
        b"MThd\0\0\0\6"
        + b"".join(number.to_bytes(2, "big") for number in header)
        + b"".join(chunks)
    )


def one_note(wait: bytes, length: bytes = b"\x60", tempo: int | None = None) -> bytes:
    "The body of a track with one bass drum: `wait` and `length` are variable-length numbers."
    set_tempo = b"" if tempo is None else b"\0\xff\x51\x03" + tempo.to_bytes(3, "big")
    return set_tempo + wait + b"\x99\x24\x64" + length + b"\x89\x24\x40" + b"\0\xff\x2f\0"


def midi_bytes(
    notes,  # (pitch, velocity, start, end) in ticks
    bpm: float = 120,
    signature: str = "4-4",
    last_tick: int = 0,  # a pedal message here lengthens the performance, as in the real data
    resolution: int = 480,  # ticks to the quarter note
) -> bytes:
    "A drum performance as Groove stores it: MIDI type 0, one track, channel 10."
    events = [
        (start, 1, mido.Message("note_on", channel=9, note=p, velocity=v))
        for p, v, start, _ in notes
    ]
    events += [(end, 0, mido.Message("note_off", channel=9, note=p)) for p, _, _, end in notes]
    events += (
        [(last_tick, 0, mido.Message("control_change", channel=9, control=4, value=90))]
        if last_tick
        else []
    )
    top, bottom = map(int, signature.split("-"))
    track = mido.MidiTrack(
        [
            mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm)),
            mido.MetaMessage("time_signature", numerator=top, denominator=bottom),
        ]
    )
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    file = io.BytesIO()
    mido.MidiFile(type=0, ticks_per_beat=resolution, tracks=[track]).save(file=file)
    return file.getvalue()


def groove(
    bars: int,
    beats: int = 4,  # to the bar
    push: int = 0,  # ticks by which every downbeat but the first is early
) -> list[tuple]:  # (pitch, velocity, start, end), 480 ticks to the quarter note
    "Eighths on the hi-hat, bass drum on one, snare in the middle; velocities and lengths differ."
    notes = []
    for bar in range(bars):
        for i in range(2 * beats):
            tick = (bar * beats * 2 + i) * 240
            notes.append((42, 60 + 3 * i, tick, tick + 60))
            if i == 0:
                notes.append((36, 100 + bar, tick - push * (bar > 0), tick + 50))
            if i == beats:
                notes.append((38, 90 + bar, tick + 7, tick + 57))
    return notes


def row(
    number: int, split="train", style="rock", bpm="120", kind="beat", signature="4-4", **changed
) -> dict:
    "A row of info.csv."
    name = f"drummer1/session1/{number}_{style.replace('/', '-')}_{bpm}_{kind}_{signature}"
    return (
        dict(
            drummer="drummer1",
            session="drummer1/session1",
            id=f"drummer1/session1/{number}",
            style=style,
            bpm=bpm,
            beat_type=kind,
            time_signature=signature,
            midi_filename=f"{name}.mid",
            audio_filename=f"{name}.wav",
            duration="8.0",
            split=split,
        )
        | changed
    )


def small_dataset() -> dict[str, bytes]:
    "Five performances: all splits, 4/4 and 3/4, early downbeats, a fill, silence with a pedal."
    plan = [
        (row(1), groove(4), 0),
        (row(2, style="funk/groove1", bpm="97"), groove(5, push=20), 0),
        (row(3, style="jazz", bpm="140", signature="3-4"), groove(4, beats=3), 0),
        (row(4, "validation", "latin/samba", "110"), groove(3), 4 * 4 * 480),
        (row(5, "test", "hiphop", "90", "fill"), groove(2), 0),
    ]
    files = {"info.csv": table([info for info, _, _ in plan]), "LICENSE": b"Synthetic, CC0.\n"}
    for info, notes, last in plan:
        files[info["midi_filename"]] = midi_bytes(
            notes, float(info["bpm"]), info["time_signature"], last
        )
    return files


def table(rows: list[dict], columns=COLUMNS) -> bytes:
    "The rows as info.csv."
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def write_zip(path: Path, files: dict[str, bytes], folder="groove/") -> Path:
    "The files as a zip; equal files give equal bytes."
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(f"{folder}{name}"), data, zipfile.ZIP_DEFLATED, 1)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    "The files as a folder."
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def fails(result, *words):
    "Exit status 2, nothing but one line on the error stream, and the words in it."
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    assert re.fullmatch(r"Error: [^\n]+\n", result.stderr), result.stderr
    for word in words:
        assert word in result.stderr


# For `Popen`: a process that a script starts in the background, and its children, ignore Ctrl-C.
HEARS_CTRL_C = (
    {} if os.name == "nt" else {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
)


def same_clips(one, other, origin: bool = True):
    "The same clips with the same table, to the last bit and type."
    for name in ("classes", "velocity", "offset"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype and np.array_equal(a, b), name
    pd.testing.assert_frame_equal(one.info, other.info)
    assert one.left_out == other.left_out and one.origin.hash == other.origin.hash
    assert not origin or one.origin == other.origin
