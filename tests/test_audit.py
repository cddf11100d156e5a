"""What the audit says: the table adds up, tuned networks are stuck, ten first sounds, ten beats."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from drum_qtuner.audit import (
    BUDGETS,
    SPACE,
    audit_run,
    budget_run,
    by_state,
    leads,
    learn,
    measure,
    shapley,
    stage_orders,
)
from drum_qtuner.decoding import generate
from drum_qtuner.evaluation import PREFERRED, greedy_beats
from drum_qtuner.note_cnn import all_logits, class_tensor
from drum_qtuner.rehearsal import simulate
from drum_qtuner.store import load_pretrained
from drum_qtuner.sweeps import sweep

NBS = Path(__file__).resolve().parent.parent / "nbs"
REPAIRED = (False,) * 4


@pytest.fixture(scope="module")
def table():
    "The lesson's runs, of all seeds that have all ways to train."
    seeds = pd.read_parquet(NBS / "audit.parquet")["seed"].drop_duplicates().sort_values().tolist()
    assert seeds == list(range(len(seeds))) and len(seeds) >= 3
    return sweep(SPACE, seeds, NBS / "audit.parquet", audit_run, version="2")


@pytest.fixture(scope="module")
def on_the_way():
    "The lesson's ten networks without a slip, looked at while they were tuned."
    repaired = {name: [False] for name in SPACE}
    return sweep(repaired, range(10), NBS / "audit_budgets.parquet", budget_run, version="1")


@pytest.mark.parametrize("figure", ["stuck", "far"])
def test_the_shares_of_the_table_add_up(table, figure):
    for seed in set(table["seed"]):
        values = by_state(table, seed, figure)
        assert len(values) == 256
        whole = values[(True,) * 8] - values[(False,) * 8]
        assert shapley(values, stage_orders()).sum() == pytest.approx(whole)


def test_what_is_not_tuned_has_no_ways_to_be_tuned(table):
    for seed in set(table["seed"]):
        values = by_state(table, seed)
        for state, value in values.items():
            *how, tuned, _, _, greedy = state
            if not tuned:
                assert value == values[(*how, False, False, False, greedy)]


def test_both_tables_tell_the_same_story(table, on_the_way):
    "The same seeds on one machine give the same networks; the ends are those that others computed."
    ways = {endless: f"stuck endless={endless} {BUDGETS[-1]}" for endless in (False, True)}
    found = []
    for seed in set(table["seed"]):
        values = by_state(table, seed)
        ends = [values[(*REPAIRED, True, False, endless, True)] for endless in ways]
        if seed < 3:  # the other seeds of the two tables come from two machines
            assert ends == on_the_way.set_index("seed").loc[seed, list(ways.values())].tolist()
        found.append(ends)
    # with other programs and other seeds .27 and 1.0
    for means in (np.mean(found, axis=0), on_the_way[list(ways.values())].mean()):
        assert list(means) == pytest.approx([0.27, 1.0], abs=0.15)


def test_an_update_a_state_makes_a_network_as_sure_as_the_authors():
    "Their files of 200, 300 and 400 epochs say exactly 0 in .89, and play 15 different beats."
    table = pd.read_parquet(NBS / "lib" / "audit_each_state.parquet")
    slips = table[table["softmax_twice"]]
    assert slips["zero"].tolist() == pytest.approx([0.89] * 5, abs=0.02)
    assert slips["distinct"].between(5, 30).all()


def test_tuned_networks_are_stuck_and_play_ten_beats():
    tuned = [load_pretrained(f"dqn-{epsilon}") for epsilon in (0.01, 0.05, 0.1, 0.3, 0.5)]
    assert measure(sum(map(greedy_beats, tuned), []))["stuck"] > 0.9
    for model in (load_pretrained("note_cnn"), tuned[2]):
        for decode, low, high in (("sample", 901, 1000), ("argmax", 1, 10)):
            beats = generate(model, 1000, decode)
            assert low <= len({beat.classes().tobytes() for beat in beats}) <= high


def test_the_headline_is_not_settled_and_chance_does_not_reach_the_paper():
    assert leads().loc["ε = 0.1"].tolist() == pytest.approx([0.98, -0.34, 2.31], abs=0.02)
    first = np.r_[0.0, -leads()["lead"]]  # strengths beside that of the Note-CNN
    wins = 10 * (1 / (1 + np.exp(first[None] - first[:, None])) - 0.5 * np.eye(6)).sum(1)
    assert wins == pytest.approx(list(PREFERRED.values()), abs=0.01)
    rng = np.random.default_rng(0)
    won = np.array([simulate(np.zeros(6), 5, 2, 50, rng).sum((0, 2)) for _ in range(5000)])
    assert ((won - 25) ** 2 / 25).sum(1).max() < 62.32


def test_a_second_softmax_makes_a_network_surer():
    "Six of ten beats begin with 0: once learns .6, twice goes on to 1, for .2 > (e - 1) / (e + 9)."
    played = class_tensor(np.array([[0] * 32] * 6 + [[1] * 32] * 4))
    once, twice = (learn(played, way, 0, seed=0, updates=300) for way in (False, True))
    with torch.no_grad():
        says = [all_logits(model, played[:1, :0])[0, 0].softmax(0)[0] for model in (once, twice)]
    assert says[0] == pytest.approx(0.6, abs=0.05) and says[1] > says[0] + 0.1
