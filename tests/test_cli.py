"""The command line: a run, its report, interruption and resumption, mistakes in one line."""

import base64
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import HEARS_CTRL_C, fails, midi_bytes, small_dataset, write_zip

from drum_qtuner.beat import Beat
from drum_qtuner.beat_player import player
from drum_qtuner.cli import BRIEF, main
from drum_qtuner.groove import Origin
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.report import PAPER, render_report
from drum_qtuner.run_folder import RunSettings, default_folder
from drum_qtuner.runs import minutes, run
from drum_qtuner.sound import beat_data

pytestmark = pytest.mark.xdist_group("cli")  # one worker: the tests share a run
SMALL = "run --note-cnn-clips 640 --iterations 300 --epsilons 0.1,0.5"
OWN = SMALL + " --data mine.zip"  # a few clips: what is tried with it does not depend on the data
LONGER = "run --data mine.zip --note-cnn-clips 640 --iterations 60000 --epsilons 0.1"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    "A new working folder, with a small data set in it."
    folder = tmp_path_factory.mktemp("cli")
    write_zip(folder / "mine.zip", small_dataset())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def drum_qtuner(line: str):
    "Run a command line in this process."
    return CliRunner().invoke(main, shlex.split(line), prog_name="drum_qtuner")


def start(line: str, **environment):
    "Run a command line in a process of its own, as a terminal does."
    code = "from drum_qtuner.cli import main; main(prog_name='drum_qtuner')"
    return subprocess.Popen(
        [sys.executable, "-c", code, *shlex.split(line)],
        text=True,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "TQDM_DISABLE": "1", **environment},
        **HEARS_CTRL_C,
    )


def contents(out: Path) -> dict:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(Path(out).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def finished(folder):
    "The folder of a run that nobody disturbed, and what it printed."
    result = drum_qtuner(SMALL + " --out finished")
    assert result.exit_code == 0, result.output
    return folder / "finished", result.stdout


def test_run_makes_everything_and_says_so(finished):
    out, said = finished
    names = ["dqn-0.1", "dqn-0.5", "note_cnn"]
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock",
        "beats",
        "figures",
        "manifest.json",
        "models",
        "report.html",
        "settings.json",
    ]
    assert sorted(path.stem for path in out.glob("models/*.safetensors")) == names
    assert sorted(path.name for path in out.glob("figures/*.png")) == [
        "figure-4.png",
        "figure-5.png",
        "note-cnn.png",
    ]
    for name in names:
        beats = [Beat.from_midi(path) for path in sorted(out.glob(f"beats/{name}/*.mid"))]
        assert len(beats) == 10 and all(beat.steps == 32 for beat in beats)
        card = json.loads((out / f"models/{name}.json").read_text())
        assert card["settings"]["seed"] == 0
        assert card["data"] == {**load_clips(verbose=False).origin.card(), "clips": 16_389}
        assert card.get("tuned_from") == (None if name == "note_cnn" else "note_cnn")
    for epsilon in (0.1, 0.5):
        rewards = np.load(out / f"models/dqn-{epsilon}.rewards.npz")["rewards"]
        assert rewards.shape == (300,) and (rewards <= 0).all()
    assert (
        "Groove MIDI Dataset" in said
        and "16,389 training clips" in said
        and "500,000" in said
        and "about 1 min" in said
    )
    assert f"Open {Path('finished') / 'report.html'}" in said


def test_q_networks_play_each_first_sound_once(finished):
    firsts = [
        int(Beat.from_midi(path).classes()[0])
        for path in sorted(finished[0].glob("beats/dqn-0.1/*.mid"))
    ]
    assert firsts == list(range(10))


def test_same_command_again_changes_nothing(finished):
    before = contents(finished[0])
    times = {path: path.stat().st_mtime_ns for path in finished[0].glob("models/*")}
    assert drum_qtuner(SMALL + " --out finished").exit_code == 0
    assert contents(finished[0]) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times, (
        "a finished model was made again"
    )


@pytest.fixture(scope="module")
def own(folder):
    "The folder of a run on data of one's own."
    result = drum_qtuner(OWN)
    assert result.exit_code == 0, result.output
    return folder / "runs/mine.zip-seed0-brief"


def test_run_on_data_of_ones_own(own):
    data = json.loads((own / "settings.json").read_text())["data"]
    assert data["name"] == "mine.zip" and data["licence"] == "not known"
    assert json.loads((own / "models/dqn-0.1.json").read_text())["data"]["hash"] == data["hash"]
    page = (own / "report.html").read_text(encoding="utf-8")
    assert "no number here is a result of the paper" in page and data["hash"] in page
    assert "Gillick" not in page


def test_run_without_the_command_line(own):
    "The same networks from one call in Python; what it says goes to whoever listens."
    heard, settings = [], RunSettings(note_cnn_clips=640)
    report = run(settings, "called", "mine.zip", heard.append, iterations=300, epsilons=[0.5, 0.1])
    assert report == Path("called/report.html")
    assert heard[0].endswith(" training clips from mine.zip.") and heard[-1].startswith("Done. ")
    ours, theirs = contents(Path("called")), contents(own)
    for name in ("note_cnn.safetensors", "dqn-0.1.rewards.npz", "dqn-0.1.safetensors"):
        assert ours[f"models/{name}"] == theirs[f"models/{name}"]


@pytest.mark.parametrize(
    "changes", [{"seed": -1}, {"iterations": 0}, {"epsilons": []}, {"epsilons": [1.5]}], ids=str
)
def test_wrong_settings_of_a_run(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        run(out="never", **changes)
    assert not Path("never").exists()


def test_seed_matters(own):
    assert drum_qtuner(OWN + " --out other-seed --seed 1").exit_code == 0
    ours, theirs = contents(own), contents(Path("other-seed"))
    for name in (
        "models/note_cnn.safetensors",
        "models/dqn-0.1.rewards.npz",
        "beats/note_cnn/01.mid",
    ):
        assert ours[name] != theirs[name]


@pytest.fixture(scope="module")
def undisturbed(folder):
    "What a longer run leaves behind when nobody disturbs it."
    process = start(LONGER + " --out undisturbed", OMP_NUM_THREADS="2")
    assert process.wait(120) == 0, process.stderr.read()
    return contents(folder / "undisturbed")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_killed_run_resumes_in_the_middle_of_tuning(undisturbed, folder):
    "A run that was killed and continued leaves the same bytes, with other numbers of threads too."
    out = folder / "killed"
    process = start(LONGER + " --out killed", OMP_NUM_THREADS="1")
    while not (out / "checkpoints/dqn-0.1").exists() and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait(60)
    assert process.returncode == -signal.SIGKILL and (out / "models/note_cnn.safetensors").exists()
    assert not (out / "models/dqn-0.1.safetensors").exists(), "killed too late for this test"
    again = start(LONGER + " --out killed")
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    result, expected = contents(out), dict(undisturbed)
    del result["manifest.json"], expected["manifest.json"]  # the report has the folder's name in it
    assert result.pop("report.html").replace(b"killed", b"undisturbed") == expected.pop(
        "report.html"
    )
    assert result == expected


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_while_tuning_is_one_line(folder):
    "A terminal sends Ctrl-C to all processes of a command; none may answer with a traceback."
    process = start("run --data mine.zip --note-cnn-clips 640 --out interrupted")
    while not any(folder.glob("interrupted/checkpoints/dqn-*")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.fullmatch(r"\n?Interrupted\. [^\n]*interrupted[^\n]+\n", errors), errors
    assert (folder / "interrupted/models/note_cnn.safetensors").exists()


def test_resumes_in_the_middle_of_the_note_cnn(own, monkeypatch):
    from drum_qtuner import fit

    real, calls = fit.save_checkpoint, []

    def stop_after_five(*args, **facts):
        real(*args, **facts)
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fit, "save_checkpoint", stop_after_five)
        result = drum_qtuner(OWN + " --out half-trained")
    assert result.exit_code == 130 and re.fullmatch(r"Interrupted\. [^\n]+\n", result.stderr)
    assert (
        Path("half-trained/checkpoints/note_cnn").exists()
        and not Path("half-trained/models").exists()
    )
    assert drum_qtuner(OWN + " --out half-trained").exit_code == 0
    ours, theirs = contents(Path("half-trained")), contents(own)
    for name in theirs:
        if name not in ("report.html", "manifest.json"):
            assert ours[name] == theirs[name]


@pytest.mark.parametrize(
    "options,words",
    [
        ("--seed 1", ["seed = 0, not 1"]),
        ("--iterations 400", ["iterations = 300, not 400"]),
        ("--note-cnn-clips 650", ["note_cnn_clips = 640, not 650"]),
        ("--epsilons 0.1", ["epsilons = [0.1, 0.5], not [0.1]"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_folder_of_other_settings_is_refused_and_kept(finished, options, words):
    before = contents(finished[0])
    fails(drum_qtuner(f"{SMALL} {options} --out finished"), *words, "--out")
    assert contents(finished[0]) == before


def test_folder_of_other_data_is_refused(finished):
    before = contents(finished[0])
    result = drum_qtuner(f"{SMALL} --data mine.zip --out finished")
    fails(result, "data = Groove MIDI Dataset 1.0.0 (hash ", "not mine.zip (hash ", "--out")
    assert contents(finished[0]) == before


def test_folder_of_something_else_is_refused():
    Path("thesis").mkdir()
    Path("thesis/report.html").write_text("my thesis")
    fails(drum_qtuner(SMALL + " --out thesis"), "thesis is not empty")
    assert contents(Path("thesis")) == {"report.html": b"my thesis"}
    Path("thesis/settings.json").write_text("{broken")
    fails(drum_qtuner(SMALL + " --out thesis"), "damaged")


def test_default_folders_do_not_collide():
    groove = Origin("Groove MIDI Dataset 1.0.0", "groove", "CC BY 4.0", "0" * 64)
    own = Origin("../my <beats>", "folder", "not known", "1" * 64)
    brief = RunSettings(3, iterations=20_000)
    assert default_folder(groove, RunSettings()).as_posix() == "runs/groove-seed0"
    assert default_folder(groove, brief).as_posix() == "runs/groove-seed3-brief"
    assert default_folder(own, RunSettings()).as_posix() == "runs/my--beats-seed0"
    assert (
        default_folder(Origin("..", "zip", "?", ""), RunSettings()).as_posix() == "runs/data-seed0"
    )


def test_default_settings_fit_into_five_minutes():
    settings = {option.name: option.default for option in main.commands["run"].params}
    epsilons = [float(epsilon) for epsilon in settings["epsilons"].split(",")]
    assert epsilons == [0.01, 0.05, 0.1, 0.3, 0.5] and settings["note_cnn_clips"] == 150_000
    assert RunSettings() == RunSettings(0, 150_000, epsilons, PAPER["iterations"])
    brief = RunSettings(iterations=BRIEF)
    assert minutes(brief) <= minutes(RunSettings()) <= 4 and PAPER["iterations"] == 500_000


@pytest.mark.parametrize(
    "line,words",
    [
        ("dance", ["dance"]),
        ("run --beats 3", ["--beats"]),
        ("run --epsilons 0.1,x", ["0.1,x"]),
        ("run --epsilons 0.1,1.5", ["1.5"]),
        ("run --epsilons nan", ["nan"]),
        ("run --epsilons ''", ["list of numbers"]),
        ("run --iterations 0", ["0"]),
        ("run --full --iterations 5", ["--full"]),
        ("run --seed -1", ["-1"]),
        ("run --data nowhere.zip", ["nowhere.zip"]),
        ("run --data starter", ["starter"]),
        ("run --out file.txt", ["file.txt"]),
        ("run --out file.txt/out", ["file.txt"]),
        ("data --data file.txt", ["file.txt"]),
        ("data --data empty", ["info.csv"]),
        ("generate --model nobody", ["nobody", "note_cnn"]),
        ("generate --model nowhere.safetensors", ["nowhere.safetensors"]),
        ("generate --model broken.safetensors", ["broken.safetensors"]),
        ("generate --n 0", ["0"]),
        ("generate --n many", ["many"]),
        ("generate --model note_cnn --temperature 0", ["temperature"]),
        ("generate --steps 20", ["20"]),
        ("generate --bpm 0", ["bpm"]),
        ("generate --primer nowhere.mid", ["nowhere.mid"]),
        ("generate --primer file.txt", ["file.txt"]),
        ("generate --decode loud", ["loud"]),
        ("generate --out file.txt", ["file.txt"]),
        ("generate --out file.txt/beats", ["file.txt"]),
        ("evaluate nowhere.mid", ["nowhere.mid"]),
        ("evaluate file.txt", ["file.txt"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_get_one_line(folder, line, words):
    Path("file.txt").write_text("not what you think")
    Path("broken.safetensors").write_text("broken")
    Path("empty").mkdir(exist_ok=True)
    before = sorted(path.name for path in folder.iterdir())
    fails(drum_qtuner(line), *words)
    assert sorted(path.name for path in folder.iterdir()) == before, (
        "a mistake left something behind"
    )


def test_programmers_mistakes_are_not_hidden(monkeypatch):
    import drum_qtuner.cli as cli

    monkeypatch.setattr(cli, "read_clips", lambda source, **reading: 1 / 0)
    result = drum_qtuner("data")
    assert (
        result.exit_code == 1
        and "ZeroDivisionError: division by zero (test_cli.py," in result.stderr
    )
    assert isinstance(drum_qtuner("data --debug").exception, ZeroDivisionError)


@pytest.mark.parametrize("command", "run generate continue vary convert tune data evaluate".split())
def test_help_has_an_example(command):
    result = drum_qtuner(f"{command} --help")
    assert result.exit_code == 0 and f"Example:  drum_qtuner {command} " in result.stdout
    assert command in drum_qtuner("").stdout and drum_qtuner("").exit_code == 0


def test_generate_is_deterministic_and_writes_over_nothing(folder):
    line = "generate --model note_cnn --n 3 --bpm 90 --out "
    assert drum_qtuner(line + "a").exit_code == 0
    assert drum_qtuner(line + "b").exit_code == 0
    assert drum_qtuner(line + "c --seed 1").exit_code == 0
    first, again, other = (contents(folder / name) for name in "abc")
    assert list(first) == ["note_cnn-01.mid", "note_cnn-02.mid", "note_cnn-03.mid"]
    assert first == again and first != other
    assert Beat.from_midi("a/note_cnn-01.mid").bpm == 90
    fails(drum_qtuner(line + "a --seed 1"), "note_cnn-01.mid", "--overwrite")
    assert contents(folder / "a") == first
    assert drum_qtuner(line + "a --seed 1 --overwrite").exit_code == 0
    assert contents(folder / "a") == other


def test_generate_goes_on_from_a_primer():
    primer = Beat.from_classes([0, 9, 6, 9, 1, 9, 6, 9] * 4)
    primer.to_midi("primer.mid")
    assert (
        drum_qtuner(
            "generate --model note_cnn --primer primer.mid --primer-steps 12 --n 2 --steps 48 --out"
            " primed"
        ).exit_code
        == 0
    )
    for path in Path("primed").iterdir():
        beat = Beat.from_midi(path)
        assert beat.steps == 48 and beat.classes()[:12].tolist() == primer.classes()[:12].tolist()


def test_a_primer_keeps_its_touch():
    "All voices, loudness and timing of the first steps come out as they went in."
    velocity, offset = np.zeros((32, 9), int), np.zeros((32, 9))
    velocity[0, [0, 6]], velocity[4, 1], velocity[20, 1] = (120, 60), 33, 99
    offset[4, 1] = 0.25
    primer = Beat(velocity, offset)
    primer.to_midi("primer.mid")
    line = "generate --primer primer.mid --n 2 --out touched"
    assert drum_qtuner(line).exit_code == 0
    for path in Path("touched").iterdir():
        beat = Beat.from_midi(path)
        assert (beat.velocity[:16] == primer.velocity[:16]).all()
        assert (beat.offset[:16] == primer.offset[:16]).all()
    fails(drum_qtuner(f"{line} --overwrite --primer-steps 64"), "64", "--steps 32")


def test_a_primer_from_any_program():
    "Its map, channel and bars are named on the command line; what does not fit is said."
    down = [(36, 90, 0, 60), (42, 80, 480, 540)]
    elsewhere = midi_bytes([(35, 90, 0, 60), (60, 80, 480, 540)], last_tick=1920)
    Path("elsewhere.mid").write_bytes(elsewhere.replace(b"\x99", b"\x92").replace(b"\x89", b"\x82"))
    Path("waltz.mid").write_bytes(midi_bytes(down, signature="3-4", last_tick=1440))
    Path("half.mid").write_bytes(midi_bytes(down * 2, last_tick=1920)[:-7])
    Path("kit.txt").write_text("35 BD\n60 RC\n", encoding="utf-8")
    Path("late.mid").write_bytes(midi_bytes([(38, 90, 1920 + t, 1980 + t) for t in (0, 60, 120)]))
    line = "generate --n 1 --out any --overwrite --primer "
    fails(drum_qtuner(line + "elsewhere.mid"), "notes are on channel 3", "--channel 3")
    assert drum_qtuner(line + "elsewhere.mid --channel 3 --map kit.txt").exit_code == 0
    assert Beat.from_midi("any/drummer-01.mid").velocity[[0, 4], [0, 8]].tolist() == [90, 80]
    fails(drum_qtuner(line + "elsewhere.mid --map tuba"), "'tuba' is none of roland+gm, roland, gm")
    fails(drum_qtuner(line + "waltz.mid"), "waltz.mid: is in 3/4", "--fit-bars")
    assert "Note: waltz.mid: is in 3/4" in drum_qtuner(line + "waltz.mid --fit-bars").stderr
    fails(drum_qtuner(line + "half.mid"), "half.mid: a damaged MIDI file", "--lenient")
    assert "Note: half.mid: damaged" in drum_qtuner(line + "half.mid --lenient").stderr
    told = drum_qtuner(line + "late.mid").stderr
    assert "Note: late.mid: its first 16 steps are silent" in told
    assert "late.mid: left out 1 of 3 strokes" in told and "off the grid" in told


def test_data_of_ones_own_by_another_map():
    drums_35 = {
        name: data.replace(b"\x99\x24", b"\x99\x23").replace(b"\x89\x24", b"\x89\x23")
        for name, data in small_dataset().items()
    }
    write_zip(Path("drums35.zip"), drums_35)
    same, lost = (drum_qtuner(f"data --data drums35.zip{o}").stdout for o in ("", " --map roland"))
    assert "kit: 35" in lost and "kit: 35" not in same and "Strokes: " in same
    fails(drum_qtuner("data --data drums35.zip --channel 1"), "notes are on channel 10")
    fails(drum_qtuner("data --channel 17"), "17")


def test_generate_takes_a_model_of_a_run(finished):
    result = drum_qtuner(
        "generate --model finished/models/dqn-0.1.safetensors --decode argmax --n 12 --out own"
    )
    assert result.exit_code == 0 and len(list(Path("own").glob("dqn-0.1-*.mid"))) == 12
    played = {Beat.from_midi(path).classes().tobytes() for path in Path("own").iterdir()}
    assert played <= {
        Beat.from_midi(path).classes().tobytes() for path in finished[0].glob("beats/dqn-0.1/*.mid")
    }
    assert f"{len(played)} distinct" in result.stdout and "argmax" in result.stdout


class Page(HTMLParser):
    "All elements of a page with their attributes."

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def of(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


def test_report_is_self_contained(finished):
    import matplotlib.image

    text = (finished[0] / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"iframe", "object", "embed", "base", "form"}
    assert not [attributes for attributes in page.of("script") if "src" in attributes]
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "srcset", "data", "poster") or tag == "link":
                assert attributes.get("href", value).startswith("data:")
            if name == "href" and tag == "a":
                assert value.startswith(
                    ("#", "https://creativecommons.org/", "https://magenta.tensorflow.org/")
                )
    assert "url(" not in text and "@import" not in text
    plots = [image["src"] for image in page.of("img") if not image["alt"].startswith("Strokes: ")]
    pictures = [
        base64.b64decode(plot.removeprefix("data:image/png;base64,"), validate=True)
        for plot in plots
    ]
    assert [matplotlib.image.imread(io.BytesIO(data)).shape[2] for data in pictures] == [4, 4, 4]
    assert all(image["alt"] for image in page.of("img"))
    files = contents(finished[0] / "beats")
    assert (
        len(
            [
                figure
                for figure in page.of("figure")
                if figure.get("class", "").startswith("dq-player")
            ]
        )
        == len(page.of("audio"))
        == len(files) + 4 + 6  # the first screen, and a human beat beside each of six players
        == 80
    )
    shown = [
        json.loads(data)
        for data in re.findall(r'<script type="application/json">(.*?)</script>', text)
    ]
    notes = {json.dumps(beat_data(Beat.from_midi(data))["notes"]) for data in files.values()}
    assert {json.dumps(beat["notes"]) for beat in shown} == notes


def test_report_tells_what_was_done(finished):
    text = (finished[0] / "report.html").read_text(encoding="utf-8")
    card = json.loads((finished[0] / "models/note_cnn.json").read_text())
    for words in (
        "Groove MIDI Dataset 1.0.0",
        "Creative Commons Attribution 4.0",
        load_clips(verbose=False).origin.hash,
        "500,000",
        "16,389",
        "300",
        f"{card['valid_loss']:.3f}",
        f"{card['test_loss']:.3f}",
        "seed 0",
        "This run is too small to say what tuning does: its networks practised for 300 iterations",
    ):
        assert words in text
    rewards = np.load(finished[0] / "models/dqn-0.1.rewards.npz")["rewards"]
    assert f"{rewards.mean():.2f}".replace("-", "−") in text


def report(**changes):
    content = dict(
        name="run",
        data=dict(name="here", kind="folder", licence="not known", hash="0" * 64),
        card={"valid_loss": 1.0, "test_loss": 1.0},
        finding="Nothing.",
        first=[],
        people=(500, 87),
        seed=0,
        iterations=300,
        models=[],
        figures=[],
        head=[],
        rows=[],
        settings=[],
        brief=True,
    )
    return render_report(**{**content, **changes})


def test_names_from_outside_are_escaped():
    evil = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"'"

    def filled(text):
        figures = player({text: Beat.from_classes([0] * 16)}).html(script=False)
        return report(
            name=text,
            data=dict(name=text, kind=text, licence=text, hash=text),
            head=[text],
            rows=[[text]],
            settings=[[text] * 3],
            figures=[{"title": text, "text": text, "image": text}],
            finding=text,
            first=[{"who": text, "name": text, "reward": text, "player": figures}],
            models=[
                {
                    "name": text,
                    "text": text,
                    "beside": figures,
                    "first": figures,
                    "more": figures,
                    "hidden": 1,
                }
            ],
        )

    page, plain = Page(filled(evil)), Page(filled("x"))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    sources = [image["src"] for image in page.of("img")]
    assert [source for source in sources if not source.startswith("data:image/svg")] == [evil]


def test_groove_is_attributed():
    groove = report(data=load_clips(verbose=False).origin.card())
    for words in (
        "Creative Commons Attribution 4.0",
        "Jon Gillick",
        "https://creativecommons.org/licenses/by/4.0/",
    ):
        assert words in groove
    other = report()
    assert "no number here" not in groove
    assert "no number here" in other and "Gillick" not in other
