"""The small part of the package, where nothing is installed that only an extra brings."""

import subprocess
import sys

import numpy as np

from drum_qtuner.decoding import generate
from drum_qtuner.store import load_pretrained

WITHOUT_EXTRAS = """
import sys
from drum_qtuner.extras import EXTRAS

class Without:
    "Finds what another finder finds, but nothing that only an extra brings."

    hidden = set(" ".join(EXTRAS.values()).split())

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *rest):
        return None if name.split(".")[0] in self.hidden else self.finder.find_spec(name, *rest)

assert not Without.hidden & set(sys.modules)
sys.meta_path[:] = map(Without, sys.meta_path)
"""


def light(code: str, folder) -> str:
    "What Python prints in a process in which no extra can be imported."
    command = [sys.executable, "-c", WITHOUT_EXTRAS + code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_beats_are_those_of_torch(tmp_path):
    "The same seed, the same beats: from two models, and around what is kept."
    light(
        """
import numpy as np
from drum_qtuner import generate, load_pretrained
for name in ("note_cnn", "dqn-0.3", "gru", "drummer"):
    beats = generate(load_pretrained(name), 50, seed=3)
    more = generate(load_pretrained(name), 5, given=beats[0], keep=np.eye(32, 9) == 0)
    np.save(f"{name}.npy", [beat.velocity for beat in (*beats, *more)])
""",
        tmp_path,
    )
    for name in ("note_cnn", "dqn-0.3", "gru", "drummer"):
        beats = generate(load_pretrained(name), 50, seed=3)
        more = generate(load_pretrained(name), 5, given=beats[0], keep=np.eye(32, 9) == 0)
        made = np.load(tmp_path / f"{name}.npy")
        assert np.array_equal(made, [beat.velocity for beat in (*beats, *more)])


def test_commands_make_continue_vary_and_convert(tmp_path):
    "The way of a beat through five commands, and what it can do in Python."
    printed = light(
        """
from pathlib import Path
from drum_qtuner import Beat, GROOVES, generate, load_pretrained, player
from drum_qtuner.beat_player import player_page
from drum_qtuner.cli import main

def run(*words):
    main(words, standalone_mode=False)

run("generate", "--n", "2")
beat = "beats/drummer-01.mid"
run("continue", beat, "--model", "dqn-0.1", "--bars", "1")
run("vary", beat, "--keep", "1", "--keep", "BD")
for kind in ("wav", "txt", "html", "mid"):
    run("convert", beat, "--to", kind)
read = Beat.from_midi(beat)
made = generate(load_pretrained("drummer"), 2)[0]
assert (read.velocity.sum(), read.steps, read.bpm) == (made.velocity.sum(), made.steps, made.bpm)
assert "<audio" in player(read)._repr_html_() and len(read.wav(loop=True)) > 100_000
assert read.to_midi().instruments[0].is_drum
Path("page.html").write_text(player_page(GROOVES), encoding="utf-8")
print(read)
""",
        tmp_path,
    )
    assert "Played around what was kept" in printed and "BD |" in printed
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    new = {"drummer-01-continued-01.mid", "drummer-01-varied-01.mid"}
    assert made == {
        "page.html",
        *(f"beats/{name}" for name in {"drummer-01.mid", "drummer-02.mid", *new}),
        *(f"converted/drummer-01.{kind}" for kind in ("wav", "txt", "html", "mid")),
    }


MISSING = {
    "from drum_qtuner import tune": "train",
    "from drum_qtuner import load_clips": "train",
    "import drum_qtuner; drum_qtuner.evaluate": "train",
    "from drum_qtuner import Studio": "notebook",
    "from drum_qtuner import sealed": "notebook",
    "drum_qtuner.roll(beat)": "notebook",
    "drum_qtuner.score(beat)": "notation",
    "drum_qtuner.notation.Score('', 120).svg()": "notation",
    "drum_qtuner.store.load(package_path('judges') / 'judge.safetensors')": "train",
    "run('run')": "train",
    "run('data')": "train",
    "run('evaluate', 'one.mid')": "train",
    "run('listen', 'plan')": "train",
    "run('listen', 'page', '--model', 'note_cnn')": "train",
    "run('convert', 'one.mid', '--to', 'svg')": "notation",
}


def test_a_missing_extra_is_named_in_a_line(tmp_path):
    "In Python an `ImportError` that is a `ValueError`, on the command line exit status 2."
    code = f"""
import drum_qtuner, drum_qtuner.notation, drum_qtuner.store
from drum_qtuner.cli import main
from drum_qtuner.extras import MissingExtra
from drum_qtuner.files import package_path
beat = drum_qtuner.GROOVES["rock"]
beat.to_midi("one.mid")

def run(*words):
    try:
        main(words)
    except SystemExit as status:
        assert status.code == 2
        sys.stdout.write(told.getvalue().removeprefix("Error: "))

import contextlib, io
for code in {list(MISSING)!r}:
    try:
        with contextlib.redirect_stderr(told := io.StringIO()):
            exec(code)
    except ImportError as error:
        assert isinstance(error, ValueError)
        print(error)
"""
    lines = light(code, tmp_path).splitlines()
    assert len(lines) == len(MISSING)
    for line, (code, extra) in zip(lines, MISSING.items()):
        assert line.endswith(f' is not installed: pip install "drum-qtuner[{extra}]"'), code


def test_lessons_of_the_browser_check_their_exercises(tmp_path):
    "Those that run without torch, on a page: each solution is right, and it is counted."
    said = light(
        """
from drum_qtuner.exercises import EXERCISES, check
numbers = [n for n in sorted(EXERCISES) if n[:2] in "00 01 02 04 08 11".split()]
for number in numbers:
    check(number, EXERCISES[number].solution)
print(check.progress().records.keys() >= set(numbers))
print(sum(record.done for record in check.progress().records.values()) == len(numbers))
""",
        tmp_path,
    )
    *answers, listed, counted = said.splitlines()
    assert len(answers) > 10 and all(": right." in line for line in answers)
    assert listed == counted == "True"
