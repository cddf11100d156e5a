"""The command `listen`: plan a test, make its page, pool its answers; mistakes in one line."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import fails, midi_bytes

from drum_qtuner.answers import answer_line, pool
from drum_qtuner.beat import Beat
from drum_qtuner.cli import main
from drum_qtuner.cli_listen import read_contestants
from drum_qtuner.design import load_key
from drum_qtuner.evaluation import preference_test
from drum_qtuner.planning import plan
from drum_qtuner.preferences import counts, strengths
from drum_qtuner.rehearsal import rehearse
from drum_qtuner.store import load_pretrained, save

pytestmark = pytest.mark.xdist_group("cli_listen")  # one worker: the tests share a folder
EVIL = "<script>alert(1)"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    "A new working folder with folders of beats in it, and tests made from them and from networks."
    folder, rng = tmp_path_factory.mktemp("listen"), np.random.default_rng(0)
    for number in range(12):
        Beat.from_classes(rng.integers(0, 10, 32)).to_midi(folder / f"dice/{number:02}.mid")
        if number < 4:
            Beat.from_classes([6, 9] * 16).to_midi(folder / f"loops/{number:02}.mid")
    Beat.from_classes([6] * 64).to_midi(folder / "long/01.mid")
    for name in ("human", "note_cnn", "a/same", "b/same"):
        Beat.from_classes([6] * 32).to_midi(folder / name / "01.mid")
    (folder / "broken.mid").write_bytes(b"MThd")
    (folder / "empty").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def listen(*words):
    "Run a command line in this process; each word may be several."
    return CliRunner().invoke(
        main,
        [
            "listen",
            *(
                part
                for word in words
                for part in ([str(word)] if isinstance(word, Path) else shlex.split(word))
            ),
        ],
        prog_name="drum_qtuner",
    )


def page(*words):
    return listen("page", *words)


def midi(*names):
    return [path for name in names for path in sorted(Path(name).glob("*.mid"))]


def said(result):
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.stdout


def told(path):
    "A page without the scripts that are the same for all tests, and its data."
    text = Path(path).read_text(encoding="utf-8")
    return text.split("</script>")[0] + text.rsplit(".listeningPage(document", 1)[1], json.loads(
        text.split('<script type="application/json">')[1].split("</script>")[0]
    )


# --- page


@pytest.fixture(scope="module")
def made(folder):
    "A test made from folders: what the command said, and its design."
    output = said(page(*midi("dice", "loops"), "--beats 5 --bpm 120 --out made/test.html"))
    return output, load_key("made/test.key.json")


def test_page_from_folders(made):
    output, test = made
    assert test.models == ("dice", "loops", "random", "human")
    owners = [test.models[beat["model"]] for beat in test.beats]
    assert {name: owners.count(name) for name in test.models} == dict(
        dice=5, loops=4, random=5, human=5
    )
    assert {beat["bpm"] for beat in test.beats} == {120} and {
        beat["steps"] for beat in test.beats
    } == {32}
    shown, data = told("made/test.html")
    for name in ("dice", "loops", "human", "random"):
        assert name not in shown
    assert (
        data["test"] == test.test
        and len(data["beats"]) == 19
        and not any("model" in beat for beat in data["beats"])
    )
    files = [Beat.from_midi(path).classes().tolist() for path in midi("dice")]
    for beat, owner in zip(test.beats, owners):
        classes = [9] * 32
        for step, drum, *_ in beat["notes"]:
            classes[step] = drum
        if owner in ("dice", "loops"):
            assert classes in (files if owner == "dice" else [[6, 9] * 16])


def test_beats_from_another_program(folder):
    "Drums of General MIDI on channel 2 take part, if the channel is named."
    for number in range(2):
        data = midi_bytes([(35, 90, t, t + 60) for t in range(0, 3840, 960 + 480 * number)])
        (folder / "other").mkdir(exist_ok=True)
        moved = data.replace(b"\x99", b"\x91").replace(b"\x89", b"\x81")
        (folder / f"other/{number}.mid").write_bytes(moved)
    fails(page(*midi("other"), "--out other.html"), "notes are on channel 2", "--channel 2")
    said(page(*midi("other"), "--beats 2 --channel 2 --out other.html"))
    drums = {
        drum
        for beat in load_key("other.key.json").beats
        if beat["model"] == 0
        for _, drum, *_ in beat["notes"]
    }
    assert drums == {0}


def test_page_says_what_to_do(made):
    output, test = made
    assert f"Test {test.test}, beats of each: dice 5, loops 4, random 5, human 5." in output
    assert "human: validation clips of Groove MIDI Dataset 1.0.0." in output
    trials = len(test.sheets[0])
    assert trials == 1 + 6 + 2 and f"{trials - 1} pairs and one for practice" in output
    assert (
        "about 3 minutes" in output
    )  # nine times two beats of four seconds and ten seconds to think, 162 seconds
    assert (
        f"Hand out {Path('made/test.html')}" in output
        and f"Keep {Path('made/test.key.json')} to yourself" in output
    )


def test_page_from_models_and_folders(folder):
    save(load_pretrained("dqn-0.5"), folder / "my models/tuned net.safetensors", {"name": "tuned"})
    output = said(
        page(
            *midi("dice"),
            "--model note_cnn --model 'my models/tuned net.safetensors' --beats 3 --rounds 2"
            " --repeats 4 --ties --out mixed.html",
        )
    )
    test = load_key("mixed.key.json")
    assert (
        test.models == ("dice", "note_cnn", "tuned net", "random", "human")
        and test.ties
        and len(test.beats) == 15
    )
    assert len(test.sheets[0]) == 1 + 2 * 10 + 4 and "24 pairs" in output
    assert told("mixed.html")[1]["ties"] is True


def test_same_command_same_test(made):
    line = "--beats 5 --bpm 120 --out again/test.html"
    said(page(*midi("dice", "loops"), line))
    for name in ("test.html", "test.key.json"):
        assert Path("again", name).read_bytes() == Path("made", name).read_bytes()
    said(page(*midi("dice", "loops"), line, "--seed 1 --overwrite"))
    assert load_key("again/test.key.json").test != made[1].test


def test_nothing_is_written_over_unasked(made):
    before = {path: path.read_bytes() for path in Path("made").iterdir()}
    again = ["--model note_cnn --beats 2 --out made/test.html"]
    fails(page(*again), "test.html", "is there already", "--overwrite")
    Path("made/test.html").unlink()
    fails(
        page(*again), "test.key.json", "is there already"
    )  # the key of answers that may be on their way
    Path("made/test.html").write_bytes(before[Path("made/test.html")])
    assert {path: path.read_bytes() for path in Path("made").iterdir()} == before
    shutil.copytree("made", "copy")
    said(page("--model note_cnn --beats 2 --out copy/test.html --overwrite"))
    assert load_key("copy/test.key.json").models == ("note_cnn", "random", "human")


@pytest.mark.parametrize(
    "name",
    [EVIL, "two words", "Schläge 鼓 🥁", "'quoted\" & <b>", "-dash", "\x1b[31mred\nline", "=1+1"],
)
def test_hostile_folder_names(folder, name, tmp_path):
    if os.name == "nt":
        pytest.skip("such names do not exist here")
    home = tmp_path / name
    for number in (1, 2):
        Beat.from_classes([number] * 32).to_midi(home / f"{name}-{number}.mid")
    result = page(*midi(home, "dice"), "--beats 2 --overwrite --out", home / f"{name}.html")
    output = said(result)
    assert load_key(home / f"{name}.key.json").models == tuple(
        sorted([name, "dice"], key=lambda n: home if n == name else Path("dice"))
    ) + ("random", "human")
    assert name not in told(home / f"{name}.html")[0] and "alert(1)" not in (
        home / f"{name}.html"
    ).read_text(encoding="utf-8")
    assert "\x1b" not in output and output.count("\n") == 4
    rehearse(
        load_key(home / f"{name}.key.json"),
        {model: 0 for model in (name, "dice", "random", "human")},
        ["robot1", "robot2"],
        tmp_path / "answers",
        spread=1,
    )
    output = said(
        listen(
            "pool",
            home / f"{name}.key.json",
            tmp_path / "answers",
            "--out",
            tmp_path / f"{name}.csv",
        )
    )
    assert "\x1b" not in output and "".join(c if c.isprintable() else "?" for c in name) in output
    assert set(pd.read_csv(tmp_path / f"{name}.csv", index_col=0).index) == {
        name,
        "dice",
        "random",
        "human",
    }


def test_folders_of_one_name_are_told_apart():
    assert list(read_contestants(midi("a/same", "b/same"), [], 1, 0)) == ["a/same", "b/same"]


def test_a_big_folder_is_drawn_from():
    all_of_it = [Beat.from_midi(path) for path in midi("dice")]
    drawn = [
        [all_of_it.index(beat) for beat in read_contestants(midi("dice"), [], 4, seed)["dice"]]
        for seed in range(40)
    ]
    assert all(len(set(some)) == 4 and some == sorted(some) for some in drawn) and set(
        sum(drawn, [])
    ) == set(range(12))
    assert read_contestants(midi("dice"), [], 4, 7)["dice"] == [all_of_it[i] for i in drawn[7]]
    assert read_contestants(midi("dice"), [], 12, 7)["dice"] == all_of_it


@pytest.mark.parametrize(
    "line, words",
    [
        ("", ["nothing to compare", "--model"]),
        ("nowhere.mid", ["nowhere.mid"]),
        ("broken.mid", ["broken.mid"]),
        ("long/01.mid", ["long", "64 steps"]),
        ("human/01.mid", ["human", "rename"]),
        ("note_cnn/01.mid --model note_cnn", ["note_cnn", "rename"]),
        ("--model nobody", ["nobody", "note_cnn"]),
        ("--model nowhere.safetensors", ["nowhere.safetensors"]),
        ("dice/00.mid --repeats 9", ["at most 1 of 3"]),
        ("dice/00.mid --bpm 0", ["bpm"]),
        ("dice/00.mid --beats 0", ["--beats"]),
        ("dice/00.mid --rounds many", ["many"]),
        ("dice/00.mid --out test", ["test", ".html"]),
        ("dice/00.mid --out dice", ["dice"]),
        ("dice/00.mid --out broken.mid/x.html", ["broken.mid"]),
        ("dice/00.mid --seed -1", ["-1"]),
    ],
)
def test_mistakes_of_page(folder, line, words):
    before = sorted(folder.rglob("*"))
    fails(page(line), *words)
    assert sorted(folder.rglob("*")) == before


def test_data_that_are_not_there():
    fails(listen("page dice/00.mid --data nowhere.zip --out x.html"), "nowhere.zip")


# --- pool

KEY = Path("made/test.key.json")
TASTE = dict(dice=-1.0, loops=0.5, random=-1.0, human=1.5)


@pytest.fixture
def answers(made, tmp_path):
    "A folder with the answers of six simulated listeners."
    rehearse(made[1], TASTE, [f"robot{i}" for i in range(6)], tmp_path, spread=0.5)
    return tmp_path


def as_people(folder):
    "The same answers as if people had given them."
    for path in folder.glob("*.jsonl"):
        path.write_text(path.read_text().replace('"simulated":true', '"simulated":false'))
    return folder


def test_pooled_results_are_those_of_the_module(made, answers):
    output = said(listen("pool", KEY, answers, "--seed 3 --out", answers / "results.csv"))
    table, rejected = pool(answers, made[1])
    assert (
        rejected.empty and "Left out" not in output and "36 pairs judged by 6 listeners" in output
    )
    expected = counts(table).join(strengths(table, seed=3))
    found = pd.read_csv(answers / "results.csv", index_col=0)
    assert found.index.tolist() == expected.index.tolist() and found.to_numpy() == pytest.approx(
        expected.to_numpy()
    )
    assert found["compared"].tolist() == [18] * 4 and found["preferred"].sum() == 36
    for name, row in expected.iterrows():
        assert re.search(
            rf"^{name} +18 +{row['preferred']:g} +{row['share']:.0%} +{row['strength']:.2f}"
            rf" +{row['low']:.2f} +{row['high']:.2f}$",
            output,
            re.M,
        )
    test = preference_test(expected["preferred"].to_dict())
    assert f"Chi-square as in the paper: {test.statistic:.2f}, p = {test.pvalue:.1g}.\n" in output
    assert re.search(r"alpha.*: -?[01]\.\d\d\.", output) and all(
        re.search(rf"^robot{i} +6 ", output, re.M) for i in range(6)
    )


def test_simulated_answers_are_called_so(answers):
    output = said(listen("pool", KEY, answers, "--out", answers / "results.csv"))
    assert (
        "SIMULATED ANSWERS" in output
        and "model (SIMULATED answers)" in output
        and "rater (SIMULATED answers)" in output
    )
    assert (answers / "results.csv").read_text().startswith("model (SIMULATED answers),")
    output = said(
        listen("pool", KEY, as_people(answers), "--overwrite --out", answers / "results.csv")
    )
    assert "SIMULATED" not in output and (answers / "results.csv").read_text().startswith("model,")


def test_people_and_programs_are_not_mixed(answers):
    path = answers / "simulated-robot0.jsonl"
    path.write_text(path.read_text().replace('"simulated":true', '"simulated":false'))
    fails(listen("pool", KEY, answers), "robot1 is simulated", "apart")


def test_what_is_left_out_is_told(made, answers):
    text = (answers / "simulated-robot0.jsonl").read_text()
    (answers / "cut off.jsonl").write_text(text[:-20])
    (answers / "nonsense.jsonl").write_text("5\n" * 30 + "{")
    (answers / "other.jsonl").write_text(
        text.replace(made[1].test, "0" * 12).replace("robot0", "robot9")
    )
    (answers / "twin.jsonl").write_text(
        text.replace('"first",', '"second",').replace('"answer":"second"', '"answer":"first"')
    )
    (answers / "bytes.jsonl").write_bytes(b"\xff\xfe")
    output = said(listen("pool", KEY, answers))
    assert "36 pairs judged by 6 listeners" in output
    left_out = [line for line in output.splitlines() if line.startswith("Left out: ")]
    for words in (
        "cut off.jsonl, line 9: not JSON",
        "nonsense.jsonl, line 1 and 29 more: not an answer",
        "nonsense.jsonl, line 31: not JSON",
        "other.jsonl, line 1 and 8 more: of another test",
        "bytes.jsonl, all of it: cannot be read",
    ):
        assert sum(words in line for line in left_out) == 1, words
    assert any("twin.jsonl" in line for line in left_out)


def test_a_flood_of_reasons_is_cut_short(made, answers):
    row = json.loads((answers / "simulated-robot0.jsonl").read_text().splitlines()[0])
    (answers / "flood.jsonl").write_text(
        "".join(json.dumps(row | {"trial": 100 + i}) + "\n" for i in range(50))
    )
    output = said(listen("pool", KEY, answers))
    assert (
        output.count("Left out") == 21
        and "30 further reasons" in output
        and "line 20: trial 119" in output
    )


def test_file_names_of_listeners_cannot_fool_the_terminal(answers):
    if os.name == "nt":
        pytest.skip("such names do not exist here")
    (answers / "x\x1b[31m\nhuman wins.jsonl").write_text("5")
    output = said(listen("pool", KEY, answers))
    assert (
        "\x1b" not in output
        and "\nhuman wins" not in output
        and "x?[31m?human wins.jsonl" in output
    )


def test_one_listener_has_no_interval(answers):
    output = said(
        listen(
            "pool",
            KEY,
            as_people(answers) / "simulated-robot0.jsonl",
            "--out",
            answers / "results.csv",
        )
    )
    assert (
        "6 pairs judged by 1 listener." in output
        and "No strengths: an interval needs at least two listeners" in output
        and "is not known: agreement needs at least two" in output
    )
    assert pd.read_csv(answers / "results.csv", index_col=0).columns.tolist() == [
        "compared",
        "preferred",
        "share",
    ]
    assert "strength " not in output and "robot0" in output


def test_listeners_who_judge_alike_are_not_certain(made, tmp_path):
    rehearse(
        made[1],
        dict(dice=-90, loops=0, random=-180, human=90),
        ["robot1", "robot2", "robot3"],
        tmp_path,
    )
    said(listen("pool", KEY, tmp_path, "--out", tmp_path / "results.csv"))
    found = pd.read_csv(tmp_path / "results.csv", index_col=0)
    assert (
        found["preferred"].to_dict() == dict(human=9, loops=6, dice=3, random=0)
        and (found["high"] - found["low"]).min() > 1
    )


def test_against_a_model(answers):
    output = said(listen("pool", KEY, answers, "--against human --out", answers / "results.csv"))
    found = pd.read_csv(answers / "results.csv", index_col=0)
    assert (
        found.loc["human", ["strength", "low", "high"]].tolist() == [0, 0, 0]
        and "beside human" in output
    )
    fails(listen("pool", KEY, answers, "--against nobody"), "nobody heard 'nobody'", "loops")


def test_unfinished_listeners(answers):
    path = answers / "simulated-robot0.jsonl"
    path.write_text("".join(path.read_text().splitlines(True)[:2]))
    output = said(listen("pool", KEY, answers))
    assert (
        "31 pairs judged by 6 listeners" in output
        and "compared equally often, and they were not" in output
    )


def test_listeners_who_met_different_pairs_cannot_agree(made, tmp_path):
    test = made[1]
    lines = {name: [answer_line(test, name, 0, "first")] for name in ("ann", "bob")}
    models = lambda name, trial: frozenset(
        test.beats[i]["model"] for i in test.trials(name)[trial][:2]
    )
    other = next(
        trial
        for trial in range(1, 9)
        if models("bob", trial) != models("ann", 1) and not test.trials("bob")[trial][2]
    )
    for name, trial in (("ann", 1), ("bob", other)):
        (tmp_path / f"{name}.jsonl").write_text(
            "\n".join([*lines[name], answer_line(test, name, trial, "second")]) + "\n"
        )
    assert (
        "2 pairs judged by 2 listeners" in (output := said(listen("pool", KEY, tmp_path)))
        and "agree with each other is not known" in output
    )


def test_only_ties(tmp_path):
    said(page(*midi("dice"), "--beats 2 --ties --out", tmp_path / "ties.html"))
    test = load_key(tmp_path / "ties.key.json")
    for name in ("ann", "bob"):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(
                answer_line(test, name, trial, "none") + "\n"
                for trial in range(len(test.sheets[0]))
            )
        )
    output = said(listen("pool", tmp_path / "ties.key.json", tmp_path))
    assert (
        "Chi-square as in the paper: 0.00, p = 1." in output
        and "agree with each other is not known" in output
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "5",
        "null",
        "{}",
        '{"models":1,"beats":[],"sheets":[],"ties":true}',
        "\x00",
        "[" * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_broken_keys(answers, text):
    (answers / "broken.key.json").write_text(text)
    fails(listen("pool", answers / "broken.key.json", answers), "broken.key.json")


def test_answers_to_another_test(made, answers):
    said(page("--model note_cnn --beats 2 --overwrite --out other.html"))
    result = listen("pool other.key.json", answers)
    fails(result, load_key("other.key.json").test, "nothing to count")
    assert result.stdout.count("line 1 and 8 more: of another test") == 6
    key = json.loads(KEY.read_text())
    (answers / "changed.json").write_text(
        json.dumps(key | {"models": [*key["models"][-3::-1], *key["models"][-2:]]})
    )  # a key by which somebody wins who did not
    fails(listen("pool", answers / "changed.json", answers), "nothing to count")


def test_mistakes_of_pool(answers, folder):
    fails(listen("pool"), "KEY")
    fails(listen("pool", KEY), "ANSWERS")
    fails(listen("pool nowhere.json", answers), "nowhere.json")
    fails(listen("pool", KEY, "nowhere"), "nowhere")
    fails(listen("pool", KEY, "empty"), "no answers", "empty")
    fails(listen("pool", answers, KEY), "directory")
    fails(listen("pool", KEY, KEY), "nothing to count")
    fails(listen("pool", KEY, answers, "--out results.html"), "results.html", ".csv")
    (answers / "there.csv").write_text("mine")
    fails(listen("pool", KEY, answers, "--out", answers / "there.csv"), "there.csv", "--overwrite")
    assert (answers / "there.csv").read_text() == "mine"


# --- plan


def planned(output):
    return {
        tuple(map(int, row[:2])): (int(row[2]), int(row[3]))
        for row in re.findall(r"^ *(\d+) +(\d+) +(\d+) +(\d+)%$", output, re.M)
    }


def test_plan_is_that_of_the_module():
    table = planned(
        said(
            listen(
                "plan --difference 1 --raters 12,4 --rounds 1,2 --models 4 --classes 40 --seed 5"
            )
        )
    )
    expected = plan(1, (4, 12), (1, 2), 4, classes=40, seed=5)
    assert table == {
        (n, 6 * k): (6 * n * k, round(100 * expected.loc[n, k])) for n in (4, 12) for k in (1, 2)
    }


def test_bigger_differences_are_found_oftener_and_need_fewer_listeners():
    line = "plan --raters 4,8,16,32 --rounds 1 --models 4 --classes 60 --difference "
    outputs = [said(listen(f"{line}{difference}")) for difference in (0, 0.5, 1, 2)]
    shares = np.array([[share for _, share in planned(output).values()] for output in outputs])
    assert (np.diff(shares, axis=0).sum(1) > 0).all() and (
        np.diff(shares[1:], axis=1) >= -5
    ).all()  # 60 classes are good to about 13%, but are the same for all
    enough = [
        re.search(r"Enough for 80% of classes: (\d+ listeners|none)", output)[1]
        for output in outputs
    ]
    assert enough[0] == "none" and "more --raters" in outputs[0]
    needed = [int(text.split()[0]) for text in enough[1:] if text != "none"]
    assert len(needed) >= 2 and needed == sorted(needed, reverse=True) and needed[0] > needed[-1]
    assert (
        "70% of the time" in said(listen("plan --raters 2 --rounds 1 --classes 1"))
        and "50% of the time" in outputs[0]
    )


@pytest.mark.parametrize(
    "line, words",
    [
        ("--difference much", ["much"]),
        ("--difference -1", ["-1"]),
        ("--difference nan", ["not nan"]),
        ("--spread nan", ["not nan"]),
        ("--raters 1", ["1 does not lie between 2"]),
        ("--raters 5,x", ["5,x"]),
        ("--raters 2.5", ["2.5"]),
        ("--raters ''", ["list of numbers"]),
        ("--rounds 0", ["0"]),
        ("--models 1", ["1"]),
        ("--classes 0", ["0"]),
        ("--spread -1", ["-1"]),
    ],
)
def test_mistakes_of_plan(line, words):
    fails(listen(f"plan {line}"), *words)


# --- help


@pytest.mark.parametrize("command", ["", "page", "pool", "plan"])
def test_help_has_an_example(command):
    output = said(listen(f"{command} --help"))
    assert f"Example:  drum_qtuner listen {command or 'page'} " in output
    assert "listen" in CliRunner().invoke(main).stdout
    if command:
        assert command in said(listen())
    example = re.search(r"Example:  (drum_qtuner .+)", output)[1]
    assert len(example) < 76  # else it is broken in two, and cannot be copied


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from drum_qtuner.cli import main; main(['listen', 'pool', '--help'],"
        " standalone_mode=False); print([name for name in ('torch', 'pandas', 'scipy', 'numba') if"
        " name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("[]\n")


def test_no_such_subcommand():
    fails(listen("dance"), "dance", "drum_qtuner listen --help")
