"""Whose reward wins: networks that a class hands in, a blind page, and places with their doubt."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from drum_qtuner.answers import pool
from drum_qtuner.cli import main
from drum_qtuner.design import load_key
from drum_qtuner.files import files_in, package_path, read_tensors, write_tensors
from drum_qtuner.leaderboard import contest, leaderboard, open_places
from drum_qtuner.note_cnn import new_note_cnn
from drum_qtuner.rehearsal import rehearse, simulate
from drum_qtuner.store import WEIGHTS, load_pretrained, save

NETWORK = WEIGHTS / "cnn.safetensors"


def test_the_true_place_is_among_those_left_open():
    "In 60 simulated classes of twelve, for five networks of which two are equally good."
    true = np.array([0.8, 0.3, 0, 0, -0.9])
    best, worst = np.array([1, 2, 3, 3, 5]), np.array([1, 2, 4, 4, 5])
    rng, held, wide = np.random.default_rng(0), [], []
    for seed in range(60):
        low, high = open_places(simulate(true, 12, 2, 0.4, rng), [*range(5)], 200, seed).T
        held.append((low <= best) & (worst <= high))
        wide.append(high - low)
    assert np.mean(held) > 0.95
    assert np.mean(wide) < 2.5  # of 4: it is told apart, too


def test_two_who_agree_prove_no_order():
    "Nothing differs between two listeners who say the same, and yet a third may differ."
    won = simulate([3, 2, 1, 0], 1, 1, 0, np.random.default_rng(1)).repeat(2, 0)
    low, high = open_places(won, [0, 1, 2, 3]).T
    assert (high - low).max() >= 2


def test_more_answers_leave_fewer_places_open():
    few, many = (
        np.ptp(open_places(simulate([2, 1, 0, -1], n, 2, 0.3), [0, 1, 2, 3], 300), axis=1).mean()
        for n in (3, 80)
    )
    assert many < 0.3 < few


@pytest.fixture
def handed_in(tmp_path):
    "A folder with three networks that say what they were tuned for."
    folder = tmp_path / "handed_in"
    for name, rewards in {
        "ada": {"theory": 2.5},
        "bob": {"fill": 1.0, "log-p": 0.5},
        "cy": "<script>\x1b[31m",
    }.items():
        model = load_pretrained("cnn")
        with_rewards = isinstance(rewards, dict)
        card = {"settings": {"rewards": rewards}} if with_rewards else {"reward": rewards}
        save(model, folder / f"{name}.safetensors", card)
    return folder


def listen(*words):
    return CliRunner().invoke(main, ["listen", *map(str, words)], prog_name="drum_qtuner")


def test_from_files_to_a_leaderboard(handed_in, tmp_path, monkeypatch):
    "The page tells no name and no reward; the table that comes back does."
    monkeypatch.chdir(tmp_path)
    made = listen("contest", handed_in, "--out", "contest.html", "--beats", 3, "--pairs", 6)
    assert made.exit_code == 0 and made.stderr == "", made.output
    assert "A listener hears 8 pairs" in made.stdout  # two of them again
    page = (tmp_path / "contest.html").read_text(encoding="utf-8")
    assert not any(word in page for word in ("ada", "theory", "note_cnn", "dqn-", "<script>\x1b"))
    test = load_key("contest.key.json")
    names = ["ada (theory 2.5)", "bob (fill 1.0 + log-p 0.5)", "cy (<script>?[31m)"]
    assert list(test.models) == [*names, "note_cnn", "random", "human"]
    taste = dict(zip(test.models, (0, 2.5, -2.5, 0, -3, 3)))
    rehearse(test, taste, [f"robot{i}" for i in range(25)], "answers")
    told = listen("ranking", "contest.key.json", "answers", "--out", "board.csv")
    assert told.exit_code == 0 and told.stderr == "", told.output
    assert "SIMULATED" in told.stdout
    board = pd.read_csv("board.csv", index_col=0)
    assert list(board.index) == [names[1], names[0], names[2]]
    assert board["place"].tolist() == board["best"].tolist() == [1, 2, 3]
    assert board.loc[names[1], "low"] > 0 > board.loc[names[2], "high"]  # beside the Note-CNN
    again = leaderboard(pool("answers")[0])
    np.testing.assert_allclose(board["strength"], again["strength"], rtol=1e-12)


def test_a_folder_for_each_student_and_what_a_mac_leaves_behind(handed_in, tmp_path, monkeypatch):
    "Nobody is left out without a word, and nobody has to clear away what was not handed in."
    monkeypatch.chdir(tmp_path)
    (handed_in / "zoe").mkdir()
    shutil.copy(NETWORK, handed_in / "zoe/zoe.safetensors")
    (handed_in / "._ada.safetensors").write_text("of a Mac")
    (handed_in / "__MACOSX/.x").mkdir(parents=True)
    shutil.copy(NETWORK, handed_in / "__MACOSX/.x/ada.safetensors")
    found = files_in([handed_in], ".safetensors")
    assert [path.stem for path in found] == ["ada", "bob", "cy", "zoe"]


def damaged(path):
    path.write_bytes(NETWORK.read_bytes()[:5000])


def no_network(path):
    path.write_bytes(b"PK\x03\x04 an essay")


def unknown(path):
    tensors, card = read_tensors(NETWORK, arrays=True)
    write_tensors(path, tensors, {**card, "architecture": "Transformer"})


def not_finite(path):
    tensors, card = read_tensors(NETWORK, arrays=True)
    name = next(iter(tensors))
    write_tensors(path, {**tensors, name: tensors[name] * np.nan}, card)


def other_sizes(path):
    tensors, card = read_tensors(NETWORK, arrays=True)
    write_tensors(path, tensors, {**card, "sizes": {**card["sizes"], "classes": 11}})


def three_sounds(path):
    sizes = dict(classes=3, steps=4, channels=2, kernel=2, hidden=2)
    save(new_note_cnn(0, **sizes), path)


def whole_kit(path):
    shutil.copy(WEIGHTS / "drummer.safetensors", path)


@pytest.mark.parametrize(
    "write", [damaged, no_network, unknown, not_finite, other_sizes, three_sounds, whole_kit]
)
def test_what_cannot_take_part_is_named_in_a_line(write, handed_in, tmp_path, monkeypatch):
    "Exit status 2, one line, the file, and no page."
    monkeypatch.chdir(tmp_path)
    write(handed_in / "zoe.safetensors")
    made = listen("contest", handed_in)
    assert made.exit_code == 2 and made.stdout == ""
    assert made.stderr.startswith("Error: ") and made.stderr.count("\n") == 1
    assert "zoe.safetensors: " in made.stderr and len(made.stderr) < 400
    assert not list(tmp_path.glob("*.html"))


def test_networks_of_another_architecture_may_meet(handed_in):
    "A GRU, and a judge, beside convolutions: all strike one drum a step."
    shutil.copy(WEIGHTS / "gru.safetensors", handed_in / "yan.safetensors")
    shutil.copy(package_path("judges") / "judge.safetensors", handed_in / "zoe.safetensors")
    test = contest(sorted(handed_in.glob("*.safetensors")), beats=2, pairs=5)
    assert [name[:3] for name in test.models[:5]] == ["ada", "bob", "cy ", "yan", "zoe"]
    kits = [WEIGHTS / "drummer.safetensors"]
    assert "drummer" in contest(kits, beats=2).models[0]


MISTAKES = {
    "contest {empty}": "holds no .safetensors file",
    "contest {net} {copy}": "two networks are called",
    "contest {net} --beside nobody": "there is no model 'nobody'",
    "contest {net} --beside ada": "there is no model 'ada'",
    "contest {net} --out contest.txt": "the name of a page ends in .html",
    "contest {net} --pairs 0": "not in the range",
    "ranking {net} {empty}": "not the key of a listening test",
    "ranking {key} {answers} --beside dqn-0.1": "nobody heard 'dqn-0.1'",
    "ranking {key} {one}": "at least two listeners",
    "ranking {key} {answers} --out board.txt": "the name of a table ends in .csv",
}


def test_mistakes_are_told_in_a_line(handed_in, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    net = handed_in / "ada.safetensors"
    test = contest([net], beats=2)
    taste = dict.fromkeys(test.models, 0.0)
    paths = rehearse(test, taste, ["one", "two"], tmp_path / "answers")
    (tmp_path / "late").mkdir()
    copy = shutil.copy(net, tmp_path / "late/ada.safetensors")
    where = dict(net=net, copy=copy, empty="empty", key=paths[0], answers="answers", one=paths[1])
    for words, says in MISTAKES.items():
        made = listen(*words.format(**where).split())
        assert made.exit_code == 2 and made.stderr.count("\n") == 1, words
        assert says in made.stderr, made.stderr


def test_a_key_says_how_many_pairs_and_old_keys_stay(handed_in):
    "A sheet of fewer pairs is read back as it was."
    test = contest(handed_in.glob("*.safetensors"), beats=2, pairs=4, sheets=5)
    assert {len(sheet) for sheet in test.sheets} == {1 + 4 + 1}
    assert "pairs" not in json.loads(test.key())
