"""Whatever is read, also from somebody who means ill: read or refused, soon and in one line."""

import errno
import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import numpy as np
import pytest
from blind import SMALL
from click.testing import CliRunner
from hostile import FORMATS, beat, campaign
from safetensors.numpy import save as save_arrays

import drum_qtuner
from drum_qtuner.answers import MAX_WRONG, pool
from drum_qtuner.archive import ANYWAY, dataset_files
from drum_qtuner.beat import Beat
from drum_qtuner.beat_player import player_page
from drum_qtuner.cli import main
from drum_qtuner.clips import load_clips
from drum_qtuner.commands import Commands
from drum_qtuner.design import load_key
from drum_qtuner.files import files_below, plain, read_file, write_file
from drum_qtuner.folders import midi_files
from drum_qtuner.groove import INFO_COLUMNS
from drum_qtuner.listening import listening_page
from drum_qtuner.midi import _midi_bytes
from drum_qtuner.midi_file import MAX_STROKES, read_drums
from drum_qtuner.paper import plot_preferences
from drum_qtuner.pictures import roll
from drum_qtuner.repetition import plot_beats
from drum_qtuner.sound import MAX_SECONDS, render
from drum_qtuner.studio import studio_page
from drum_qtuner.web import page_json

WHOLE = beat(np.random.default_rng(0))


def midi(*events: bytes, resolution: int = 480) -> bytes:
    body = b"".join(events) + b"\0\xff\x2f\0"
    head = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, resolution)
    return head + b"MTrk" + struct.pack(">I", len(body)) + body


STROKE = b"\0\x99\x24\x64\x30\x89\x24\0"


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def table(*rows: dict) -> bytes:
    usual = "d,s,x,rock,120,beat,4-4,a.mid,train".split(",")
    lines = [dict(zip(INFO_COLUMNS, usual)) | row for row in rows]
    return "\n".join(
        [",".join(INFO_COLUMNS), *(",".join(line.values()) for line in lines)]
    ).encode()


# A few hundred files of each format; `scripts/campaign.py` reads as many as one likes


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_file_is_read_or_refused(kind, tmp_path):
    found = campaign(kind, 100, tmp_path)
    assert found["faults"] == []
    assert found["read"] and found["read"] + found["refused"] == 100
    assert found["megabytes"] < 200


# Only ordinary files, and only so much of them


def test_pipes_devices_and_folders_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.mid")
    for path in (tmp_path / "pipe.mid", Path("/dev/zero"), tmp_path, "a\0b.mid"):
        for read in (Beat.from_midi, drum_qtuner.load, load_key, lambda path: read_file(path, 9)):
            with pytest.raises(ValueError, match="cannot be read|not the key"):
                read(path)
    with pytest.raises(ValueError, match="cannot be read"):
        load_clips(tmp_path / "pipe.mid", verbose=False)
    assert pool([tmp_path / "pipe.mid"], SMALL)[1]["reason"].str.contains("cannot be read").all()
    with pytest.raises(ValueError, match="none of roland"):
        Beat.from_midi(_midi_bytes(WHOLE), map="/dev/zero")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = write_file(tmp_path / "a.mid", bytes(2_000_001))
    for source in (path, path.read_bytes()):
        with pytest.raises(ValueError, match="more than 2,000,000|larger than 2,000,000"):
            Beat.from_midi(source)
    write_file(tmp_path / "b.mid", _midi_bytes(WHOLE))
    with pytest.warns(UserWarning, match="left out 1 files .*a.mid, more than 2,000,000 bytes"):
        assert list(dataset_files(tmp_path, table=False)) == ["b.mid"]


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path, monkeypatch):
    write_file(tmp_path / "inside" / "a.mid", _midi_bytes(WHOLE))
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("inside"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for look in (files_below, lambda path: load_clips(path, verbose=False)):
        with pytest.raises(ValueError, match="inside: cannot be read .Permission denied"):
            look(tmp_path)
    with pytest.raises(ValueError, match="inside: cannot be read"):
        midi_files([tmp_path])


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="beat.mid"):
        WHOLE.to_midi(tmp_path / "beat.mid")
    assert list(tmp_path.iterdir()) == []


# Small files that want to be large


@pytest.mark.parametrize("length", [0, 1, 2, 4, 5, 200])
def test_a_tempo_of_another_length_is_damage(length):
    size = bytes([length]) if length < 128 else bytes([0x81, length - 128])
    data = midi(b"\0\xff\x51" + size + b"\1" * length, STROKE)
    with pytest.raises(ValueError, match=f"a tempo of {length} bytes"):
        Beat.from_midi(data)
    with pytest.warns(UserWarning, match="a tempo of"):
        assert Beat.from_midi(data, strict=False).bpm == 120


def test_more_strokes_than_a_beat_can_hold_are_damage():
    read_drums(midi(STROKE[:4] * MAX_STROKES))
    with pytest.raises(ValueError, match="more than 93,600 drum strokes"):
        read_drums(midi(STROKE[:4] * (MAX_STROKES + 1)))


def test_many_kinds_of_damage_are_told_shortly():
    texts = [b"\0\xff\x58\4" + bytes([0, 2, i, 8]) for i in range(100)]
    tempos = [b"\0\xff\x51" + bytes([i]) + bytes(i) for i in range(4, 100)]
    track = read_drums(midi(*texts, *tempos, STROKE), strict=False)
    assert len(track.damage) == 11 and track.damage[-1] == "and more"


def test_the_bars_of_all_time_signatures_are_counted_together():
    metre = [b"\x8e\x08\xff\x58\4" + bytes([3 + i % 2, 2, 24, 8]) for i in range(400)]
    with pytest.raises(ValueError, match="has more than 650 bars"):
        Beat.from_midi(midi(STROKE, *metre, STROKE, resolution=1), fit_bars=True)


def test_a_small_zip_must_not_become_large(tmp_path):
    files = {f"{i}.mid": bytes(1_900_000) for i in range(ANYWAY // 1_900_000 + 1)}
    path = zipped(tmp_path / "bomb.zip", files)
    with pytest.raises(ValueError, match="bomb.zip: is larger than 10,000,000 bytes unpacked"):
        dataset_files(path, table=False)


def test_a_table_names_a_file_once_and_in_few_words(tmp_path, capsys):
    data = _midi_bytes(Beat(WHOLE.velocity))
    rows = [dict(), dict(), dict(midi_filename="b.mid", style="x" * 2_000)]
    files = {"info.csv": table(*rows), "a.mid": data, "b.mid": data}
    clips = load_clips(zipped(tmp_path / "a.zip", files), "all")
    assert len(clips) == 1 and clips.left_out["(performances) skipped"] == 2
    assert "a.mid: named in info.csv a second time" in capsys.readouterr().out
    wide = b",".join([table().strip(), *(b"c%d" % i for i in range(100))])
    for bad, why in ((wide, "more than 100 columns"), (table(*[{}] * 100_001), "100,000 rows")):
        with pytest.raises(ValueError, match=why):
            load_clips(zipped(tmp_path / "b.zip", files | {"info.csv": bad}), verbose=False)


def test_windows_are_in_proportion_to_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("drum_qtuner.clips.MANY", 0)
    velocity = np.zeros((1600, 9), int)
    velocity[::16, 0] = 90
    data = _midi_bytes(Beat(velocity))
    path = zipped(tmp_path / "long.zip", {f"{i}.mid": data for i in range(3)})
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="windows of two bars"):
        load_clips(path, verbose=False)


def test_lines_that_are_no_answers_end_the_reading(tmp_path):
    write_file(tmp_path / "x.jsonl", b"x\n" * (MAX_WRONG + 2))
    answers, rejected = pool([tmp_path / "x.jsonl"], SMALL)
    assert answers.empty and rejected["line"].tolist() == ["all"]
    assert rejected["reason"].tolist() == ["more than 1,000 of its lines are no answers"]


def test_a_sound_has_a_length():
    with pytest.raises(ValueError, match="that lasts 43 minutes, and a sound at most 25"):
        Beat(np.zeros((16 * 650, 9), int), bpm=60).wav()
    with pytest.raises(ValueError, match="that lasts"):
        render(WHOLE, loops=10**9)


@pytest.mark.parametrize(
    "code",
    [
        "from drum_qtuner.beat import Beat\nimport drum_qtuner.sound, numpy as np\n"
        f"Beat(np.full((1600, 9), 90) * (np.arange(1600) % 16 == 0)[:, None], None,"
        f" 1600 * 15 / {MAX_SECONDS - 1}).wav()",
        "from drum_qtuner.clips import load_clips\nload_clips('dense.zip', verbose=False)",
        "from drum_qtuner.answers import pool\npool('x.jsonl', 'key.json')",
    ],
    ids=["sound", "zip", "answers"],
)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak")
def test_what_takes_most_memory_takes_500_megabytes(code, tmp_path):
    "25 minutes of sound, half a million strokes in a zip of 12 kB, ten megabytes of lines."
    dense = _midi_bytes(Beat(np.full((16 * 650, 9), 90)))
    zipped(tmp_path / "dense.zip", {f"{i}.mid": dense for i in range(6)})
    (tmp_path / "x.jsonl").write_bytes(b"x\n" * 4_999_999)
    (tmp_path / "key.json").write_text(SMALL.key())
    code += "\nprint(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"  # kB, its own
    held = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=held, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert int(done.stdout) / 1024 < 500


@pytest.mark.parametrize(
    "line",
    [
        "generate --steps 1600000",
        "generate --n 10000 --steps 10400",
        "continue a.mid --bars 1000000",
        "run --iterations 1000000000000",
        "run --note-cnn-clips 1000000000000",
        "listen plan --classes 1000000000000",
    ],
)
def test_too_much_is_refused_before_anything_is_loaded(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mid").write_bytes(_midi_bytes(WHOLE))
    monkeypatch.setattr("drum_qtuner.store.load", None)
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 2 and result.stderr.count("\n") == 1


# Weights and keys that say what is not true


def test_weights_of_another_kind(tmp_path):
    note_cnn, q = drum_qtuner.load_pretrained("note_cnn"), drum_qtuner.load_pretrained("dqn-0.1")
    with pytest.raises(ValueError, match="a QNetwork has been tuned already"):
        drum_qtuner.fast_tune(q, iterations=1)
    with pytest.raises(ValueError, match="iterations = 1000000000000: give a number"):
        drum_qtuner.fast_tune(note_cnn, iterations=10**12)
    note_cnn.output.bias.data[3] = np.nan
    path = drum_qtuner.save(note_cnn, tmp_path / "nan.safetensors", {})
    with pytest.raises(ValueError, match="output.bias holds a number that is not finite"):
        drum_qtuner.load(path)
    card = dict(architecture="Judge", sizes=dict(readers=10**9, hidden=1, width=1))
    path.write_bytes(save_arrays({}, {"card": json.dumps(card)}))
    with pytest.raises(ValueError, match="readers at most 100"):
        drum_qtuner.load(path)


LIES = dict(
    models=[[None, "random", "human"], ["a", "b", "c"], ["a", "a", "random", "human"], "rh", {}],
    beats=[[], [{}], [None], "x", [dict(json.loads(SMALL.key())["beats"][0], model=99)]],
    sheets=[[], [{}], [[[0, 1]]], [[[0, 10**6, 0]]], [[[0, 1, 2]]], "x"],
    ties=[None, 1],
    mono=["x"],
    origin=["x"],
)


@pytest.mark.parametrize("part", LIES)
def test_a_key_that_lies(part, tmp_path):
    for lie in LIES[part]:
        path = tmp_path / "key.json"
        path.write_text(json.dumps(json.loads(SMALL.key()) | {part: lie}))
        with pytest.raises(ValueError, match="not the key of a listening test"):
            load_key(path)


# The last net


@click.group(cls=Commands)
def example():
    "A group of commands that go wrong."


@example.command("fail")
@click.argument("kind")
def fail(kind):
    if kind == "warning":
        import warnings

        warnings.warn("\x1b]0;pwn\x07\u202e", stacklevel=1)
        return
    raise dict(
        key=KeyError("id"), end=EOFError("no data"), memory=MemoryError(), stop=KeyboardInterrupt()
    )[kind]


def test_an_unexpected_error_is_one_line_that_asks_for_a_report():
    for kind, name in (("key", "KeyError"), ("end", "EOFError")):
        result = CliRunner().invoke(example, ["fail", kind])
        assert result.exit_code == 1 and "Traceback" not in result.stderr
        line = result.stderr.strip()
        assert re.fullmatch(
            rf"Unexpected error, {name}: .* \(test_holding_up.py, line \d+\)\..*", line
        )
        assert "https://github.com/drum-qtuner/drum_qtuner/issues" in line and "--debug" in line
        assert isinstance(
            CliRunner().invoke(example, ["fail", kind, "--debug"]).exception, Exception
        )
        assert (
            type(CliRunner().invoke(example, ["fail", kind, "--debug"]).exception).__name__ == name
        )
    result = CliRunner().invoke(example, ["fail", "memory"])
    assert result.exit_code == 1 and "memory of this computer" in result.stderr
    result = CliRunner().invoke(example, ["fail", "stop"])
    assert result.exit_code == 130 and "Interrupted." in result.stderr


def test_every_command_has_debug():
    groups = [main, main.commands["listen"]]
    for command in [c for group in groups for c in group.commands.values()]:
        assert [p.name for p in command.params].count("debug") == 1, command.name


# Names that want to be commands


ESCAPES = "\x1b]0;pwn\x07\x1b[31mred\x9b\u202e\u2066\u200b\x00"


def test_no_terminal_obeys_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not re.search(r"[^ -~]", plain(ESCAPES)) and plain("Fünk ♪") == "Fünk ♪"
    data, odd = _midi_bytes(WHOLE), ESCAPES.replace("\0", "")
    rows = [
        dict(midi_filename=f"{s}.mid", split=s, style=odd) for s in ("train", "validation", "test")
    ]
    files = {"info.csv": table(*rows), **{row["midi_filename"]: data for row in rows}}
    zipped(tmp_path / f"{odd}.zip".replace("/", ""), files)
    (tmp_path / f"{odd}.mid").write_bytes(data)
    (tmp_path / f"bad{odd}.mid").write_bytes(data[:40])
    lines = [
        ["data", "--data", f"{odd}.zip"],
        ["convert", f"{odd}.mid", "--to", "txt"],
        ["convert", ".", "--to", "mid", "--skip-bad", "--out", "out"],
        ["convert", f"bad{odd}.mid", "--to", "txt"],
        ["convert", f"bad{odd}.mid", "--to", "txt", "--lenient"],
        [odd],
        ["example", "fail", "warning"],
    ]
    for line in lines:
        command, words = (example, line[1:]) if line[0] == "example" else (main, line)
        result = CliRunner().invoke(command, words)
        assert result.output and not re.search(r"[^ -~\n±]", result.output), (line, result.output)


def test_commands_print_with_say_alone():
    "The only `click.echo` of a command shows its own help."
    home = Path(drum_qtuner.__file__).parent
    for path in [home / "cli.py", *home.glob("cli_*.py")]:
        for echo in re.findall(r"(?:click\.echo|print)\(.*", path.read_text(encoding="utf-8")):
            assert echo == "click.echo(context.get_help())", path.name


PAYLOADS = ["</script><script>boom()</script>", "<!--<script>", "]]><svg onload=boom()>"]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_page_obeys_a_name(payload):
    held = json.loads(SMALL.key())
    told = tuple(dict(one, id=f"{payload}{i}") for i, one in enumerate(held["beats"]))
    design = type(SMALL)(SMALL.models, told, SMALL.sheets, SMALL.ties, SMALL.mono)
    for page in (
        listening_page(design),
        drum_qtuner.player({payload: WHOLE}).html(),
        player_page(WHOLE, payload),
        studio_page(presets={payload: WHOLE}),
    ):
        assert payload not in page
        inside = re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)
        assert all("<" not in data and json.loads(data) for data in inside)
    assert json.loads(page_json(payload)) == payload and "<" not in page_json(payload)


def test_no_picture_takes_a_name_for_a_formula():
    for name in (r"$\frac$", "$1", r"a\$b$", "$$"):
        figure = roll({name: WHOLE, "two": WHOLE})
        figure.savefig(io.BytesIO())
        plot_beats({name: [WHOLE]}, 1).savefig(io.BytesIO())
        plot_preferences({name: 1, "b": 2}).figure.savefig(io.BytesIO())


# Arguments of another kind


@pytest.mark.parametrize(
    "call, name",
    [
        (lambda: WHOLE.to_midi(3), "path"),
        (lambda: WHOLE.wav(b"x.wav"), "path"),
        (lambda: WHOLE.wav(rate="44100"), "rate"),
        (lambda: render(None), "Beat"),
        (lambda: roll(WHOLE, columns="2"), "columns"),
        (lambda: roll(WHOLE, heat=1.5), "heat"),
        (lambda: drum_qtuner.score([WHOLE]), "Beat"),
        (lambda: drum_qtuner.load(3), "path"),
        (lambda: drum_qtuner.NoteCNN(hidden=True), "sizes"),
        (
            lambda: drum_qtuner.save(drum_qtuner.load_pretrained("note_cnn"), "x.safetensors", 3),
            "card",
        ),
        (lambda: drum_qtuner.load_clips(verbose=False).select("3"), "which"),
        (lambda: drum_qtuner.ListeningTest({"a": [WHOLE]}, human=3), "human"),
        (lambda: drum_qtuner.ListeningTest({"a": [WHOLE]}, beats="3"), "beats"),
        (lambda: drum_qtuner.ListeningTest({"a": [WHOLE]}, 3, human=[WHOLE] * 10), "path"),
    ],
)
def test_an_argument_of_another_kind_is_named(call, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=name):
        call()
