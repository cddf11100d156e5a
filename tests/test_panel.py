"""The panel: every figure again by other means, and cheats that must be caught."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from beats import ROCK, SILENCE, few_clips, random_beats, repeat, some

from drum_qtuner.beat import REST, Beat
from drum_qtuner.distances import densities, overlap
from drum_qtuner.figures import Played
from drum_qtuner.hearing import log_likelihoods
from drum_qtuner.intervals import data_label, deal, groups, real_clips
from drum_qtuner.judge import load_judge
from drum_qtuner.metrics import METRICS, metric, metrics_of, strokes
from drum_qtuner.panel import differs, evaluate, panel_table, plot_panel, shortfall
from drum_qtuner.preprocessing import Clips

torch.set_num_threads(1)
pytestmark = pytest.mark.xdist_group("panel")  # one worker: the panel is made once


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


DESCRIPTORS = {metric.function.__name__: metric.function for metric in metrics_of("descriptors")}


@pytest.fixture(scope="module")
def panel(clips):
    "Cheats, and real clips that should pass, judged by real clips."
    train = clips.split("train")
    out = np.isin(groups(clips), groups(train)[deal(groups(train), 5) == 0])
    others, rng = clips.select(~out & (clips.info["split"] == "train")), np.random.default_rng(0)
    shuffled = rng.permuted(rng.permutation(others.classes)[:120], axis=1)
    sets = {
        "held-out": clips.select(out),
        "loops": [repeat(sound) for sound in rng.integers(0, REST, 120)],
        "copies": some(others, 120),
        "shuffled": [Beat.from_classes(row) for row in shuffled],
        "rests": [SILENCE] * 120,
    }
    # the halves of validation are too small here
    return evaluate(sets, clips.select(~out), final=True, draws=50, feel=False)


def values(panel):
    return panel.pivot(index="figure", columns="set", values="value")


def test_panel_is_whole(panel):
    assert panel["set"].unique().tolist() == [
        "real",
        "held-out",
        "loops",
        "copies",
        "shuffled",
        "rests",
        "random",
    ]
    assert panel["part"].unique().tolist() == [
        "two-sample",
        "judge",
        "descriptors",
        "diversity",
        "novelty",
    ]
    assert panel["figure"].nunique() == 33 and len(panel) == 7 * 33
    assert (
        panel[["value", "low", "high"]].notna().all().all()
        and (panel["low"] <= panel["value"]).all()
        and (panel["value"] <= panel["high"]).all()
    )
    assert (panel["beats"] == 120).all()


def test_real_is_nearer_to_real_than_random_is(panel):
    worse = shortfall(panel)
    failed = worse.index[
        (worse["held-out"] >= worse["random"])
        & ~worse.index.isin(["distinct beats", "style mixture", "drummer mixture"])
    ].tolist()  # random beats never repeat, and sound a little like everybody
    assert not failed, failed


def test_shortfall_by_hand():
    def panel(part, figure, better, **values):
        return pd.DataFrame(
            [
                dict(set=name, part=part, figure=figure, value=value, better=better)
                for name, value in values.items()
            ]
        )

    table = shortfall(
        pd.concat(
            [
                panel("two-sample", "worst", "lower", real=0.6, a=0.5, b=0.9),
                panel("descriptors", "overlap, density", "higher", real=0.8, a=0.9, b=0.5),
                panel("descriptors", "KL, density", "lower", real=0.1, a=0, b=0.5),
                panel("novelty", "steps copied", "like real", real=0.2, a=0.5, b=0.1),
            ]
        )
    )
    np.testing.assert_allclose(table, [[0, 0, 0.3], [0, 0, 0.3], [0, 0, 0.4], [0, 0.3, 0.1]])


def test_held_out_real_clips_pass(panel):
    assert values(panel).loc["excess", "held-out"] < 0.12


@pytest.mark.parametrize("cheat", ["loops", "shuffled", "rests"])
def test_classifiers_catch(panel, cheat):
    assert values(panel).loc["excess", cheat] > 0.2


def test_copies_pass_the_classifiers_and_are_caught_as_copies(panel):
    assert values(panel).loc["excess", "copies"] < 0.12
    copied = values(panel).loc[["nearest real clip", "near copies", "steps copied"], "copies"]
    assert copied.tolist() == [0, 1, 1]


def test_every_cheat_is_starred(panel):
    starred = panel[differs(panel)].groupby("set")["figure"].agg(set)
    assert (
        "distinct beats" in starred["loops"]
        and "distinct beats" in starred["rests"]
        and "steps copied" in starred["copies"]
    )
    assert "excess" in starred["shuffled"] and "real" not in starred


def test_every_figure_again(clips):
    "All but the two-sample test, by loops over beats and other libraries."
    ids = clips.info["id"].to_numpy()
    few = clips.select(np.concatenate([np.flatnonzero(ids == i)[:3] for i in pd.unique(ids)[::2]]))
    parts = real_clips(few, final=True)
    second, known = parts.second, parts.known
    beats = some(clips, 24) + [SILENCE, ROCK, ROCK]
    panel = (
        evaluate(beats, few, final=True, fast=True, draws=2)
        .query("set == 'beats'")
        .set_index("figure")["value"]
    )
    assert len(second) <= 100, "all of them are compared, none is left to chance"
    made, real, known = (
        [row.tolist() for row in classes]
        for classes in (np.array([b.classes() for b in beats]), second.classes, known.classes)
    )
    group = groups(second).tolist()

    def far(a, b):
        return np.mean([x != y for x, y in zip(a, b)])

    grams = [tuple(row[i : i + 4]) for row in made for i in range(29)]
    stretches = {tuple(row[i : i + 16]) for row in known for i in range(17)}

    def copied(row):
        begins = [i for i in range(17) if tuple(row[i : i + 16]) in stretches]
        return len({step for i in begins for step in range(i, i + 16)}) / 32

    nearest = [min(far(a, b) for b in known) for a in made]
    radius = [
        sorted(far(a, b) for b, h in zip(real, group) if h != g)[4] for a, g in zip(real, group)
    ]
    expected = {
        "distinct beats": len(set(map(tuple, made))) / len(made),
        "distinct 4-grams": len(set(grams)) / len(grams),
        "Hamming, pairs": np.mean([far(a, b) for a, b in combinations(made, 2)]),
        "nearest real clip": np.mean(nearest),
        "near copies": np.mean([distance <= 3 / 32 for distance in nearest]),
        "steps copied": np.mean([copied(row) for row in made]),
        "coverage": np.mean([min(far(a, b) for a in made) <= r for b, r in zip(real, radius)]),
    }
    for figure, value in expected.items():
        assert panel[figure] == pytest.approx(value), figure

    scores = [np.sort(log_likelihoods(load_judge(), part)) for part in (beats, second)]
    grid = np.sort(
        np.concatenate(scores)
    )  # Wasserstein's distance is the area between the two cumulative distributions
    shares = [np.searchsorted(part, grid[:-1], side="right") / len(part) for part in scores]
    assert panel["score distance"] == pytest.approx(
        np.sum(np.abs(shares[0] - shares[1]) * np.diff(grid))
    )
    assert panel["below the real 1%"] == np.mean(scores[0] < np.percentile(scores[1], 1))

    one = [tuple(strokes(Beat.from_classes(row)) for row in rows) for rows in (made, real)]
    for name, descriptor in DESCRIPTORS.items():
        x, y = ([np.atleast_1d(descriptor(hits)) for hits in part] for part in one)

        def distance(a, b):
            return np.sqrt(np.sum((a - b) ** 2))

        intra = [
            distance(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if group[i] != group[j]
        ]
        inter, own = (
            [distance(a, b) for a in x for b in y],
            [distance(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j],
        )
        p, q, r = densities(*map(np.array, (intra, inter, own)))
        label = name.replace("_", " ")
        assert panel[f"overlap, {label}"] == pytest.approx(
            min(overlap(p, q), overlap(p, r)), abs=0.02
        ), name
        mix = [0.99 * r + 0.01 / len(r) for r in (p, q, r)]
        assert panel[f"KL, {label}"] == pytest.approx(
            max(scipy.stats.entropy(mix[0], other) for other in mix[1:]), abs=0.05
        ), name


def test_fast_leaves_out_the_two_sample_test_and_changes_nothing_else(clips):
    beats = some(clips, 25) + random_beats(25)
    whole, fast = (evaluate(beats, clips, draws=2, fast=fast) for fast in (False, True))
    pd.testing.assert_frame_equal(whole[whole["part"] != "two-sample"].reset_index(drop=True), fast)


def test_same_seed_same_panel(clips):
    beats = some(clips, 30) + random_beats(30)
    one, two = (evaluate(beats, clips, draws=10, fast=True, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert "two-sample" not in set(one["part"])


def test_polyphony(clips):
    train = clips.split("train")
    poly = [train[i] for i in range(0, 800, 10)]
    both = {
        mono: (
            evaluate(poly, clips, draws=5, fast=True, mono=mono).set_index(["set", "figure"])[
                "value"
            ]
        )
        for mono in (True, False)
    }
    assert (both[False][:, "Hamming, pairs"] != both[True][:, "Hamming, pairs"]).any()
    assert both[False]["beats", "steps copied"] == 1


@pytest.mark.parametrize(
    "beats, words",
    [
        ([], "beats: at least two"),
        ([Beat.from_classes([0] * 16)] * 50, "16 steps, but the real clips have 32"),
        ([ROCK], "at least two"),
        (ROCK, "at least two"),
        (None, "beats: needs `Clips` or a list"),
        ("abc", "beats: needs `Clips` or a list"),
        ({}, "one or more sets"),
        (np.zeros((9, 32, 9), bool), "beats: needs `Clips` or a list"),
        (np.array(True), "beats: needs `Clips`"),
        ((beat for beat in [ROCK] * 9), "beats: needs"),
        ([ROCK, 3], "number 1 is int"),
        ({"real": [ROCK] * 50}, "taken"),
        ({"a": [ROCK] * 50, "b": [Beat.from_classes([0] * 64)] * 2}, "b: its beats have 64"),
        ([ROCK, Beat.from_classes([0] * 16)], "one length"),
    ],
)
def test_evaluate_refuses(clips, beats, words):
    with pytest.raises(ValueError, match=words):
        evaluate(beats, clips)


def test_evaluate_wants_real_clips_of_all_splits(clips):
    for wrong in (clips.split("train"), clips.select(slice(0, 0))):
        with pytest.raises(ValueError, match="too few real clips"):
            evaluate([ROCK] * 9, wrong)
    with pytest.raises(ValueError, match="not str"):
        evaluate([ROCK] * 9, "groove")
    with pytest.raises(ValueError, match="0 test"):
        evaluate([ROCK] * 9, clips.select(clips.info["split"] != "test"), final=True)
    with pytest.raises(ValueError, match="a judge is a model"):
        evaluate([ROCK] * 9, clips, judge=3)
    with pytest.raises(ValueError, match="two draws"):
        evaluate([ROCK] * 9, clips, draws=1)
    with pytest.raises(ValueError, match="one repeat"):
        evaluate([ROCK] * 50, clips, repeats=0)


def test_two_beats_are_enough_and_silence_is_measured(clips):
    panel = evaluate([SILENCE, SILENCE], clips, draws=3)
    assert (
        panel["beats"].eq(2).all()
        and panel["value"].notna().all()
        and "two-sample" not in set(panel["part"])
    )
    assert panel_table(panel).shape == (29, 3) and plot_panel(panel)


def test_table_and_picture(panel):
    table = panel_table(panel)
    assert table.shape == (33, 7) and table.index[3] == ("two-sample", "excess")
    assert table.loc[("novelty", "steps copied"), "copies"] == "1.00 ±0.00*"
    picture = plot_panel(panel)
    shown = [ax.get_title() for ax in picture.axes if ax.axison]
    assert shown == panel["figure"].unique().tolist()
    assert [label.get_text() for label in picture.axes[0].get_yticklabels()] == panel[
        "set"
    ].unique().tolist()


def test_part_of_a_panel_can_be_drawn(panel):
    part = panel[(panel["part"] == "novelty") & panel["set"].isin(["real", "copies"])]
    assert plot_panel(part).axes[2].get_title() == "steps copied"
    assert panel_table(part).shape == (3, 2)


@pytest.mark.parametrize("view", [panel_table, differs, shortfall, plot_panel])
def test_what_is_no_panel(panel, view):
    for wrong in (None, pd.DataFrame({"a": [1]})):
        with pytest.raises(ValueError, match="as `evaluate` gives it"):
            view(wrong)
    for wrong in (panel[:0], panel[panel["set"] != "real"], pd.concat([panel, panel])):
        with pytest.raises(ValueError, match="each figure of a set once"):
            view(wrong)


def test_a_panel_says_what_it_was_made_from(clips):
    panel = evaluate(some(clips, 20), clips, fast=True, draws=3, final=True, mono=False, seed=2)
    assert panel["data"].unique().tolist() == [data_label(clips)]
    assert panel.attrs["real"] == clips.origin.card()
    assert {**panel.attrs, "real": 0} == dict(real=0, final=True, mono=False, seed=2)
    assert panel_table(panel).columns.name == f"real clips: {data_label(clips)}"
    assert plot_panel(panel).get_supxlabel() == f"real clips: {data_label(clips)}"
    unknown = panel.drop(columns="data")
    assert panel_table(unknown).columns.name is None and plot_panel(unknown)


def test_a_new_metric_is_a_new_figure(clips, monkeypatch):
    monkeypatch.setattr("drum_qtuner.metrics.METRICS", METRICS.copy())

    @metric("judge", better="lower", name="above")
    def above(scores, real):
        return float((scores > np.quantile(real, 0.99)).mean())

    @metric("descriptors")
    def crashes(beats):
        return strokes(beats)[..., 7].mean(-1)

    panel = evaluate(some(clips, 20), clips, fast=True, draws=3)
    assert panel["figure"].nunique() == 32
    rows = panel.drop_duplicates("figure").set_index("figure")["better"]
    assert rows[["above", "overlap, crashes", "KL, crashes"]].tolist() == [
        "lower",
        "higher",
        "lower",
    ]
    assert {"above", "KL, crashes"} <= set(shortfall(panel).index)


def test_some_of_what_was_played_keep_their_groups(clips):
    played = Played.of(clips.select(slice(0, 50)), n=20)
    assert len(played) == 20 and played.group.tolist() == groups(played.beats).tolist()
    assert len(Played.of([ROCK, SILENCE], n=9)) == 2
    named = Played.of([ROCK, SILENCE, ROCK], ["rock", "silence", "rock"], n=2, seed=1)
    loud = [bool((beat.velocity > 0).any()) for beat in named.beats]
    assert loud == [group == "rock" for group in named.group]


def test_groups_that_are_given_are_kept_together(clips):
    "Ten copies each of twenty beats are twenty observations, not two hundred."
    beats, group = [beat for beat in random_beats(20) for _ in range(10)], np.repeat(range(20), 10)
    given = evaluate(beats, clips, draws=60, groups=group)
    named = evaluate({"beats": beats}, clips, draws=60, groups={"beats": group})
    pd.testing.assert_frame_equal(given, named)
    alone = evaluate(beats, clips, draws=60, fast=True, groups=range(200))
    wide, narrow = (
        panel[panel["set"] == "beats"].set_index("figure").loc["nearest real clip"]
        for panel in (given, alone)
    )
    assert wide["value"] == narrow["value"]
    assert wide["high"] - wide["value"] > 1.5 * (narrow["high"] - narrow["value"])


def test_groups_that_do_not_fit(clips):
    beats = random_beats(40)
    with pytest.raises(ValueError, match="beats: 40 beats need as many groups, not 3"):
        evaluate(beats, clips, groups=[1, 2, 3])
    with pytest.raises(ValueError, match="there is no such set, but mine"):
        evaluate({"mine": beats}, clips, groups={"yours": range(40)})
    with pytest.raises(ValueError, match="stay together"):
        evaluate(beats, clips, groups=["one"] * 40)


def test_a_difference_has_an_interval_of_its_own():
    "Two figures of .5 and .6, each +-.06, overlap; their difference, .1 +- .085, is not 0."

    def row(name, value, half):
        bounds = dict(low=value - half, high=value + half)
        return dict(set=name, part="novelty", figure="f", value=value, **bounds)

    for value, star in ((0.6, True), (0.58, False)):
        panel = pd.DataFrame([row("real", 0.5, 0.06), row("mine", value, 0.06)])
        assert differs(panel).tolist() == [False, star]
