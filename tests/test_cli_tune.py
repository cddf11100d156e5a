"""`drum_qtuner tune`: rewards by name, a file that plays, and nothing lost by Ctrl-C."""

import json
import shlex
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from helpers import fails

from drum_qtuner import cli_tune, soft_tuning, tuning_job
from drum_qtuner.beat import Beat
from drum_qtuner.cli import main
from drum_qtuner.density_ratio import density_ratio
from drum_qtuner.fit import network_hash, weights
from drum_qtuner.note_cnn import new_note_cnn
from drum_qtuner.percussion import percussion_theory
from drum_qtuner.rewards import LogProbability
from drum_qtuner.soft_tuning import soft_tune
from drum_qtuner.store import load, load_pretrained, save
from drum_qtuner.sweeps import sweep
from drum_qtuner.taste_fit import taste_of
from drum_qtuner.tuning_job import figures, read_rewards, reward_of, soft_tuning_run
from drum_qtuner.votes import Vote

pytestmark = pytest.mark.xdist_group("cli_tune")

QUICK = " --updates 3 --batch-size 4"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = partial(figures, beats=20)
    monkeypatch.setattr(tuning_job, "figures", few)
    return tmp_path


@pytest.fixture
def quick_realism(monkeypatch):
    "A reward that is learned quickly and badly."
    monkeypatch.setattr(soft_tuning, "density_ratio", partial(density_ratio, beats=20, updates=2))


@pytest.fixture(scope="module")
def gru():
    return load_pretrained("gru")


def drum_qtuner(line: str):
    return CliRunner().invoke(main, shlex.split(line), prog_name="drum_qtuner")


def same(one, other) -> bool:
    return all(torch.equal(value, weights(other)[name]) for name, value in weights(one).items())


def test_what_is_tuned_is_what_soft_tune_makes(gru):
    line = "tune --model gru --reward theory:2.5 --reward fill --seed 3 --kl-cost 2"
    result = drum_qtuner(line + QUICK)
    assert result.exit_code == 0, result.output
    tuned, reward = load("tuned.safetensors"), 2.5 * percussion_theory + tuning_job.RULES["fill"]
    policy, _ = soft_tune(gru, reward, updates=3, batch_size=4, seed=3, kl_cost=2.0)
    assert same(tuned, policy) and not same(tuned, gru)
    card = json.loads(Path("tuned.json").read_text())
    assert card == tuned.card and card["name"] == "tuned" and card["seed"] == 3
    assert card["data"] == gru.card["data"] and card["licence"] == gru.card["licence"]
    assert card["tuned_from"] == {"name": "gru", "weights": network_hash(gru)}
    assert card["settings"]["rewards"] == {"theory": 2.5, "fill": 1}
    assert card["before"]["KL"] == 0 < card["after"]["KL"]
    for name, number in card["after"].items():
        assert f"{name:>20}{card['before'][name]:10.3f}{number:10.3f}\n" in result.output
    assert sorted(path.name for path in Path().iterdir()) == ["tuned.json", "tuned.safetensors"]
    # and it plays
    result = drum_qtuner("generate --model tuned.safetensors --n 1 --out beats")
    assert result.exit_code == 0 and Beat.from_midi("beats/tuned-01.mid").steps == 32


def test_json_is_all_that_is_printed():
    result = drum_qtuner(
        "tune --model note_cnn --reward log-p --json --out one.safetensors" + QUICK
    )
    told = json.loads(result.stdout)
    assert told == json.loads(Path("one.json").read_text()) and told["name"] == "one"
    assert told["before"]["reward"] == pytest.approx(-told["before"]["entropy"], abs=10)


def test_realism_comes_first_and_an_interrupted_tuning_goes_on(quick_realism, monkeypatch):
    "In the second round, and in the stage after the rounds: the same bits."
    line = "tune --reward crash:9 --reward realism --rounds 2 --out {}.safetensors" + QUICK
    assert drum_qtuner(line.format("whole")).exit_code == 0
    tuned, calls = soft_tuning.soft_tune, []

    def interrupted(*arguments, **settings):
        def callback(done, policy):
            calls.append(done)
            if len(calls) in (5, 11):  # the second round; the rewards, after 3 + 1 resumed updates
                raise KeyboardInterrupt

        return tuned(*arguments, **settings, callback=callback)

    monkeypatch.setattr(soft_tuning, "soft_tune", interrupted)
    monkeypatch.setattr(tuning_job, "soft_tune", interrupted)
    for _ in range(2):
        result = drum_qtuner(line.format("parts"))
        if result.exit_code == 0:
            break
        assert result.exit_code == 130 and "The same command goes on" in result.stderr
        assert Path("parts.checkpoints/round-0.safetensors").exists()
    assert calls[:5] == [1, 2, 3, 1, 2] and calls[5] == 3  # neither round is begun anew
    assert same(load("whole.safetensors"), load("parts.safetensors"))
    assert not Path("parts.checkpoints").exists()
    assert load("parts.safetensors").card["realism_from"]["kind"] == "groove"


def test_another_tuning_does_not_take_its_checkpoints(quick_realism, monkeypatch):
    "The one line names the file; and the checkpoints stay."

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning_job, "soft_tune", interrupted)
    line = "tune --reward crash --reward realism --rounds 1 --updates 2 --batch-size 4"
    assert drum_qtuner(line).exit_code == 130
    fails(drum_qtuner(line + " --seed 1"), "round-0.safetensors", "seed = 0, not 100")
    assert Path("tuned.checkpoints/round-0.safetensors").exists()


def test_a_network_from_scratch(monkeypatch):
    for name in ("train", "train_gru"):
        learn = getattr(tuning_job, name)
        monkeypatch.setattr(tuning_job, name, partial(learn, clips_shown=64))
    result = drum_qtuner("tune --scratch cnn --reward density" + QUICK)
    assert result.exit_code == 0, result.output
    card = load("tuned.safetensors").card
    assert card["architecture"] == "NoteCNN" and card["tuned_from"]["name"] == "a new cnn"
    assert card["data"]["kind"] == "groove"


@pytest.mark.parametrize(
    "words, told",
    [
        ("--reward groove", "no reward 'groove'"),
        ("--reward fill:much", "fill:2.5, not 'much'"),
        ("--reward fill:nan", "fill:2.5, not 'nan'"),
        ("--reward realism:2", "realism has no weight"),
        ("--reward fill --kl-cost 0", "kl_cost = 0"),
        ("--reward fill --kl-cost nan", "kl_cost = nan"),
        ("--reward fill --out tuned.txt", "ends in .safetensors"),
        ("--reward fill --model dqn-0.1", "gives no probabilities"),
        ("--reward fill --model bongo", "no model 'bongo'"),
        ("--reward fill --model ''", "no model ''"),
        ("--reward fill --model there.safetensors", "there.safetensors"),
        ("--reward fill --model gru --scratch gru", "exclude each other"),
        ("--reward realism --data nowhere.zip", "nowhere.zip"),
        ("", "--reward"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(folder, words, told):
    fails(drum_qtuner(f"tune {words}"), told)
    assert not list(folder.iterdir())


def test_nothing_is_written_over(folder):
    (folder / "tuned.json").write_text("mine")
    fails(drum_qtuner("tune --reward fill" + QUICK), "tuned.json", "--overwrite")
    assert (folder / "tuned.json").read_text() == "mine"


def test_rewards_add_up(gru):
    weights = read_rewards(["theory:2", "long-runs", "fill:-1", "fill:3", "log-p:0.5"])
    assert weights == {"theory": 2, "long-runs": 1, "fill": 2, "log-p": 0.5}
    terms = reward_of(weights, gru).terms()
    assert set(terms) == {*percussion_theory.terms(), "log p"}
    found = [terms[name][0] for name in ("backbeat", "repetition", "long runs", "fill", "log p")]
    np.testing.assert_allclose(found, [0.4, 0.8, 1.4, 2.4, 0.5])
    assert isinstance(terms["log p"][1], LogProbability) and terms["log p"][1].note_cnn is gru
    assert reward_of({"realism": 1.0}, gru) is None
    assert list(tuning_job.RULES) == [n.replace(" ", "-") for n in percussion_theory.terms()]


def test_names_in_the_help_are_those_that_there_are():
    said = " ".join(drum_qtuner("tune --help").stdout.split())
    assert all(name in said for name in tuning_job.NAMES)
    assert "Example: drum_qtuner tune --" in said


def test_a_sweep_of_weights(gru):
    space = {"weight": [0.0, 8.0], "updates": [6], "batch_size": [16], "learning_rate": [0.02]}
    space |= {"reward": ["density"], "beats": [50]}
    table = sweep(space, [0], "weights.parquet", soft_tuning_run, network=gru)
    assert list(table["error"]) == ["", ""], table["error"].tolist()
    assert table["kl"][0] < 1e-3 < table["kl"][1] and table["earned"][0] == 0 < table["earned"][1]
    assert {"theory", "entropy", "spread", "distinct"} <= set(table.columns)


def test_the_command_is_there():
    assert main.commands["tune"] is cli_tune.tune_command


def save_taste(path, liked=8):
    "Votes for rides, and against hi-hats, or the other way round."
    votes = []
    for cymbal in (8, 6):
        for step in range(1, 31, 4):  # another bass drum each time
            classes = [0, 9, cymbal, 9, 1, 9, cymbal, 9] * 4
            classes[step] = 0
            votes.append(Vote(Beat.from_classes(classes), cymbal == liked))
    return taste_of(votes).save(path)


def test_a_taste_is_a_reward(tmp_path):
    "Votes in a file: the network is tuned with it."
    path = save_taste(tmp_path / "mine.json")
    weights = read_rewards([f"{path}:2", "theory"])
    assert weights == {str(path): 2.0, "theory": 1.0}
    reward = reward_of(weights, load_pretrained("gru"))
    assert reward.terms()[str(path)][0] == 2
    with pytest.raises(ValueError, match="files of a taste"):
        read_rewards(["mine.txt"])


def test_names_of_tastes_are_read_to_their_end():
    "A file may be called `mine.json.json`; what only begins like one is none."
    assert read_rewards(["mine.json.json:3", "a:b.json"]) == {"mine.json.json": 3, "a:b.json": 1}
    with pytest.raises(ValueError, match="no reward 'mine.json2'"):
        read_rewards(["mine.json2"])


def test_two_people_are_pleased_at_once(tmp_path, gru):
    "Each with a weight of its own."
    one, other = str(save_taste(tmp_path / "one.json")), str(save_taste(tmp_path / "two.json", 6))
    both = reward_of({one: 2.0, other: 1.0}, gru)
    assert {name: weight for name, (weight, _) in both.terms().items()} == {one: 2.0, other: 1.0}
    classes = torch.randint(10, (5, 32), generator=torch.Generator().manual_seed(0))
    alone = [reward_of({name: 1.0}, gru).step_rewards(classes) for name in (one, other)]
    torch.testing.assert_close(both.step_rewards(classes), 2 * alone[0] + alone[1])


def test_a_checkpoint_of_another_taste_is_refused(tmp_path, gru):
    "Under the same name and with the same weight."
    path, there = tmp_path / "mine.json", tmp_path / "there.safetensors"
    how = dict(updates=2, batch_size=4, checkpoint=there)
    for liked in (8, 6):
        reward = reward_of({str(save_taste(path, liked)): 1.0}, gru)
        if liked == 8:
            soft_tune(gru, reward, **how)
    with pytest.raises(ValueError, match="belongs to a training with parts"):
        soft_tune(gru, reward, **how)


def test_a_network_of_another_kit_is_named(tmp_path):
    save(new_note_cnn(0, classes=3, channels=2, hidden=2), "toy.safetensors")
    fails(drum_qtuner("tune --reward fill --model toy.safetensors"), "toy", "plays 3 sounds")


@pytest.mark.parametrize("weight", ["1e30", "-1001", "inf", "nan"])
def test_a_weight_beyond_all_use_is_refused(weight):
    with pytest.raises(ValueError, match="a number up to 1,000"):
        read_rewards([f"theory:{weight}"])


def test_data_that_nothing_would_read_are_told(tmp_path):
    words = [
        "--reward",
        "theory",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path / "x.safetensors"),
    ]
    done = CliRunner().invoke(main, ["tune", *words])
    fails(done, "only realism and --scratch learn from clips")
