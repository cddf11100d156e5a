"""The panel: every figure against arithmetic done by hand or another library, and cheats that must be caught."""
from itertools import combinations, groupby

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from drum_qtuner.beat import REST, Beat
from drum_qtuner.evaluation import longest_run
from drum_qtuner.panel import *
from drum_qtuner.preprocessing import Clips, load_clips

torch.set_num_threads(1)
sequences = arrays(np.uint8, 32, elements=st.integers(0, REST))
polyphony = arrays(bool, (3, 32, 9))
SILENCE = Beat.from_classes([REST] * 32)


def repeat(*sounds) -> Beat:
    "Two bars that repeat `sounds`."
    return Beat.from_classes((list(sounds) * 32)[:32])


ROCK = repeat(0, 9, 6, 9, 1, 9, 6, 9)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "All clips of the starter corpus."
    return load_clips("starter", split="all", verbose=False)


def some(clips, n, seed=0):
    return [Beat.from_classes(row) for row in np.random.default_rng(seed).permutation(clips.classes)[:n]]


def random_beats(n, seed=0):
    return [Beat.from_classes(row) for row in np.random.default_rng(seed).integers(0, REST + 1, (n, 32))]


# What is looked at

def test_strokes_of_every_kind_of_beats(clips):
    assert strokes(ROCK).shape == (32, 9) and strokes([ROCK, SILENCE]).shape == (2, 32, 9)
    assert strokes(clips).sum() > strokes(clips, mono=True).sum() > 0
    np.testing.assert_array_equal(strokes(clips, mono=True).argmax(2)[clips.classes < REST], clips.classes[clips.classes < REST])
    beats = [clips[i] for i in range(20)]
    np.testing.assert_array_equal(strokes(beats), strokes(clips[:20]))
    assert strokes(strokes(ROCK)) is not None and strokes(strokes(ROCK)).shape == (32, 9)


@pytest.mark.parametrize("wrong", [np.zeros((32, 9)), np.zeros((32, 8), bool), np.zeros((20, 9), bool), np.zeros(9, bool)])
def test_strokes_refuses(wrong):
    with pytest.raises(ValueError, match="strokes are True or False"):
        strokes(wrong)


def test_strokes_wants_beats_of_one_length():
    with pytest.raises(ValueError, match=r"\[16, 32\]"):
        strokes([ROCK, Beat.from_classes([0] * 16)])


# Descriptors

def test_descriptors_by_hand():
    assert density(ROCK) == 0.5 and density(SILENCE) == 0
    np.testing.assert_allclose(drum_shares(ROCK), [.25, .25, 0, 0, 0, 0, .5, 0, 0])
    np.testing.assert_allclose(onset_profile(Beat.from_classes([0] + [9] * 31)), [.5] + [0] * 15)
    assert backbeat(ROCK) == downbeat(ROCK) == 1
    assert backbeat(repeat(1)) == downbeat(repeat(0)) == 0  # a loop that also hits everywhere else
    assert backbeat(repeat(1, 9, 9, 9)) == pytest.approx(1 - 2 / 14)  # beats 1 and 3 as well
    assert timekeeping(ROCK) == 1 and timekeeping(repeat(6, 6, 6)) == 1
    assert timekeeping(Beat.from_classes([6] + [9] * 31)) == 0
    assert timekeeping(Beat.from_classes([6, 9, 6] + [9] * 29)) == 0.5  # two strokes, one comes again after two steps
    assert bar_repetition(ROCK) == 1
    assert bar_repetition(Beat.from_classes([0] + [9] * 31)) == 0
    assert bar_repetition(Beat.from_classes([0, 1] + [9] * 14 + [0] + [9] * 15)) == 0.5
    assert run_length(SILENCE) == 32 and run_length(ROCK) == 1


def test_syncopation_by_hand():
    def one_bar(*steps):
        return Beat.from_classes([0 if step in steps else 9 for step in range(16)])
    assert syncopation(one_bar(0, 4, 8, 12)) == 0
    assert syncopation(one_bar(3)) == -1 + 4  # hangs over beat 3, which is heavier than beat 2
    assert syncopation(one_bar(3, 8)) == -2 + 4  # beat 3 is played, beat 2 is not
    assert syncopation(one_bar(0, 6, 12)) == -1 + 3
    assert syncopation(one_bar(0, 2, 6, 10, 14)) == (-2 + 3) + (-1 + 3) + (-2 + 3)
    assert syncopation(repeat(*[9] * 14, 0, 9)) == (0 + 3) / 2  # the push to the next bar; after the last bar nothing is known


def test_undefined_descriptors_are_nan():
    undefined = [name for name, f in DESCRIPTORS.items() if np.isnan(f(SILENCE)).any()]
    assert undefined == ["drum_shares", "timekeeping", "syncopation", "bar_repetition"]
    assert np.isnan(timekeeping(repeat(0))) and np.isnan(bar_repetition(Beat.from_classes([0] * 16)))


@given(polyphony)
def test_descriptors_of_many_are_those_of_each(hits):
    for descriptor in DESCRIPTORS.values():
        np.testing.assert_allclose(descriptor(hits), [descriptor(h) for h in hits])


@given(polyphony)
def test_descriptors_stay_in_their_range(hits):
    for name, (low, high) in dict(density=(0, 9), drum_shares=(0, 1), onset_profile=(0, 1), backbeat=(-1, 1), downbeat=(-1, 1),
                                  timekeeping=(0, 1), syncopation=(0, 64), bar_repetition=(0, 1), run_length=(1, 32)).items():
        values = DESCRIPTORS[name](hits)
        assert ((values >= low) & (values <= high) | np.isnan(values)).all(), name


@given(sequences)
def test_runs_are_those_of_itertools(classes):
    assert run_length(Beat.from_classes(classes)) == 32 / len(list(groupby(classes)))
    assert run_length(Beat.from_classes(classes)) <= longest_run(Beat.from_classes(classes), over_rests=False)


@given(polyphony)
def test_timekeeping_is_the_largest_autocorrelation(hits):
    for h in hits:
        cymbals = h[:, [5, 6, 8]].any(1).astype(float)
        if not cymbals.any(): continue
        circular = np.fft.ifft(np.abs(np.fft.fft(cymbals))**2).real
        assert timekeeping(h) == pytest.approx(max(circular[[1, 2, 4]]) / circular[0])


def test_describe_beats_has_a_column_each():
    table = describe_beats([ROCK, SILENCE])
    assert table.shape == (2, 32) and table["drum_shares SD"].tolist()[0] == .25 and table["onset_profile 2"].tolist() == [1, 0]


def test_twenty_thousand_clips_take_seconds():
    hits = np.random.default_rng(0).random((20_000, 32, 9)) < .1
    assert describe_beats(hits).shape == (20_000, 32)
    assert nearest_clip(hits[:200], hits).max() == 0


# Groups and intervals

def test_groups_are_performances(clips):
    assert len(set(groups(clips))) == clips.info["id"].nunique()
    assert groups([ROCK, ROCK]).tolist() == [0, 1]


@given(st.lists(st.integers(0, 9), min_size=2, max_size=60), st.integers(2, 5), st.integers(0, 5))
def test_deal_keeps_groups_together(group, parts, seed):
    part = deal(np.array(group), parts, seed)
    assert set(part) <= set(range(parts)) and 0 in part
    assert all(len(set(part[np.array(group) == g])) == 1 for g in group)


def test_interval_covers_what_it_should():
    "Twenty performances of twenty clips that resemble each other: by performance 95%, by clip far less."
    rng, hits = np.random.default_rng(0), {"performance": 0, "clip": 0}
    group = np.repeat(np.arange(20), 20)
    for trial in range(200):
        x = np.repeat(rng.normal(size=20), 20) + rng.normal(size=400) / 2
        for name, g in {"performance": group, "clip": np.arange(400)}.items():
            _, low, high = interval(lambda i: x[i].mean(), g, seed=trial)
            hits[name] += low < 0 < high
    assert hits["performance"] > 200 * .88 and hits["clip"] < 200 * .6


def test_interval_agrees_with_scipy():
    x = np.random.default_rng(0).gamma(2, size=100)
    theirs = scipy.stats.bootstrap((x,), np.mean, n_resamples=4000, random_state=0).standard_error
    for replace in (True, False):
        value, low, high = interval(lambda i: x[i].mean(), np.arange(100), draws=4000, replace=replace)
        assert value == x.mean() and (high - value) / 1.96 == pytest.approx(theirs, rel=.05) and value - low == pytest.approx(high - value)


# Overlap and divergence

def test_pairwise_by_hand():
    np.testing.assert_allclose(pairwise(np.array([1., 4.]), np.array([1., np.nan, 2.])), [[0, np.nan, 1], [3, np.nan, 2]])
    np.testing.assert_allclose(pairwise(np.array([[3., 0.]]), np.array([[0., 4.]])), [[5]])


@pytest.mark.parametrize("seed", range(3))
def test_overlap_agrees_with_kernel_densities_of_scipy(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(9, 1, 3000), rng.gamma(9 + 2 * seed, 1, 3000)
    f, g = scipy.stats.gaussian_kde(a), scipy.stats.gaussian_kde(b)
    x = np.linspace(0, 40, 2000)
    assert overlap(*densities(a, b)) == pytest.approx(np.trapezoid(np.minimum(f(x), g(x)), x), abs=.015)
    p, q = f(x) / f(x).sum(), g(x) / g(x).sum()
    assert kl(*densities(a, b)) == pytest.approx(scipy.stats.entropy(p, q), abs=.08)


def test_overlap_and_kl_of_equal_and_of_disjoint():
    p, q = densities(np.linspace(0, 1, 1000), np.linspace(0, 1, 1000))
    assert overlap(p, q) == pytest.approx(1) and kl(p, q) == pytest.approx(0)
    p, q = densities(np.linspace(0, 1, 1000), np.linspace(9, 10, 1000))
    assert overlap(p, q) < 1e-6 and kl(p, q) > 5


def test_undefined_counts_as_different():
    p, q = densities(np.linspace(0, 1, 100), np.full(100, np.nan))
    assert overlap(p, q) == 0 and p[-1] == 0 and q[-1] == 1
    p, q = densities(np.full(3, np.nan), np.full(5, np.nan))
    assert overlap(p, q) == 1


# Diversity and novelty

@given(arrays(bool, (6, 16, 9)))
@settings(max_examples=30)
def test_diversity_against_sets_of_python(hits):
    rows = [tuple(map(bytes, h)) for h in hits]
    assert distinct_share(hits) == len(set(rows)) / 6
    assert hamming_within(hits) == pytest.approx(np.mean([np.mean([x != y for x, y in zip(a, b)]) for a, b in combinations(rows, 2)]))
    grams = [row[i:i + 4] for row in rows for i in range(13)]
    assert distinct_ngrams(hits) == len(set(grams)) / len(grams)


@given(arrays(bool, (4, 32, 9)), arrays(bool, (5, 32, 9)))
@settings(max_examples=30)
def test_novelty_against_a_loop(hits, known):
    expected = [min((a != b).any(1).mean() for b in known) for a in hits]
    np.testing.assert_allclose(nearest_clip(hits, known), expected)
    bars = {bar.tobytes() for clip in known for bar in clip.reshape(2, -1)}
    assert bars_copied(hits, known).tolist() == [np.mean([bar.tobytes() in bars for bar in clip.reshape(2, -1)]) for clip in hits]


def test_copies_are_copies(clips):
    train = clips[clips.info["split"] == "train"]
    copies = strokes(train[np.arange(0, len(train), 40)])
    assert nearest_clip(copies, train).max() == 0 and bars_copied(copies, train).min() == 1


def test_coverage_by_hand():
    real = [ROCK, repeat(0), repeat(1)]
    radius = neighbourhoods(real, np.array(["a", "b", "c"]), neighbours=1)
    np.testing.assert_allclose(radius, [28 / 32, 28 / 32, 28 / 32])  # each shares four of its steps with the rock beat, or four with it
    distances = np.array([[0, 28, 28], [16, 32, 32]]) / 32
    assert coverage(distances, radius) == 1 and coverage(distances[1:], radius) == 1 / 3


def test_clips_of_one_performance_are_no_neighbours():
    real = [ROCK, ROCK, SILENCE]
    np.testing.assert_allclose(neighbourhoods(real, np.array(["a", "a", "b"]), neighbours=1), [.5, .5, .5])


# The judge

def test_judge_scores_by_hand():
    class Uniform(torch.nn.Module):
        def forward(self, classes): return torch.zeros(*classes.shape, 10)
    np.testing.assert_allclose(judge_scores(Uniform(), [ROCK, SILENCE]), -np.log(10), rtol=1e-6)


def test_judge_does_not_see_the_future():
    judge, classes = load_judge(), torch.randint(10, (3, 32), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = judge(classes)
        for t in (0, 1, 20):
            torch.testing.assert_close(judge.scores(classes[:, :t]), logits[:, t], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(judge(torch.cat([classes[:, :16], classes.flip(1)[:, :16]], 1))[:, :17], logits[:, :17], atol=1e-5, rtol=1e-4)


def test_judge_likes_loops_better_than_music_and_random_least(clips):
    judge = load_judge()
    people, chance = judge_scores(judge, clips[clips.info["split"] == "test"]).mean(), judge_scores(judge, random_beats(200)).mean()
    assert chance < people < max(judge_scores(judge, [repeat(sound) for sound in range(10)]))


def test_training_a_judge_helps_and_repeats(clips):
    train = clips[clips.info["split"] == "train"][np.arange(0, 2000, 8)]
    one, two = (train_judge(train, epochs=4) for _ in range(2))
    losses = one.card["loss on the performances kept, nats a step"]
    assert losses[-1] < losses[0] < np.log(10) + .1
    for a, b in zip(one.parameters(), two.parameters()): assert torch.equal(a, b)


# The two-sample test

def test_two_sample_never_mixes_performances(clips):
    seen = []
    def spy(hits, labels, judged, seed):
        seen.append((hits, labels, judged))
        return np.zeros(len(judged), bool)
    parts = real_clips(clips)
    verdicts = two_sample(parts.train, parts.first, parts.second, size=50, classifiers={"spy": spy})
    assert verdicts.groupby("run")["real"].mean().tolist() == [.5, .5] and len(seen) == 2
    assert accuracies(verdicts).loc["worst", "value"] == .5  # who always says "real" is right about real clips
    by_run = [set(part["group"]) for _, part in verdicts.groupby("run")]
    assert not by_run[0] & by_run[1]
    for hits, labels, judged in seen:
        assert len(hits) == 100 and labels.sum() == 50 and labels[:50].all() and len(judged) == 100


def test_cross_validation_judges_each_performance_once(clips):
    parts = real_clips(clips)
    verdicts = two_sample(random_beats(300), parts.first, parts.second, folds=5, classifiers={"none": lambda h, l, j, seed: np.ones(len(j), bool)})
    judged = verdicts[verdicts["real"]].groupby("group")["run"].nunique()
    assert verdicts["run"].nunique() == 5 and (judged == 1).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_classifier_tells_random_from_real_and_nothing_from_itself(clips, name):
    parts, classifier = real_clips(clips), {name: CLASSIFIERS[name]}
    told = {what: accuracies(two_sample(beats, parts.first, parts.second, size=150, classifiers=classifier)).loc[name, "value"]
            for what, beats in {"random": random_beats(300), "same": some(parts.first, 150) + some(parts.second, 150)}.items()}
    assert told["random"] > .85 and told["same"] < .65


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_repeat_themselves(clips, name):
    parts, beats = real_clips(clips), random_beats(80)
    one, two = (two_sample(beats, parts.first, parts.second, size=40, classifiers={name: CLASSIFIERS[name]}, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_two_sample_wants_enough(clips):
    parts = real_clips(clips)
    with pytest.raises(ValueError, match="needs 20 generated"):
        two_sample(random_beats(30), parts.first, parts.second)


# The whole panel

@pytest.fixture(scope="module")
def panel(clips):
    "Cheats, and real clips that should pass, judged by clips of the starter corpus."
    train = clips[clips.info["split"] == "train"]
    out = np.isin(groups(clips), groups(train)[deal(groups(train), 5) == 0])
    others, rng = clips[~out & (clips.info["split"] == "train")], np.random.default_rng(0)
    shuffled = rng.permuted(rng.permutation(others.classes)[:120], axis=1)
    sets = {"held-out": clips[out], "loops": [repeat(sound) for sound in rng.integers(0, REST, 120)],
            "copies": some(others, 120), "shuffled": [Beat.from_classes(row) for row in shuffled], "rests": [SILENCE] * 120}
    return evaluate(sets, clips[~out], final=True, draws=50) # the halves of validation are too small here


def values(panel):
    return panel.pivot(index="figure", columns="set", values="value")


def test_panel_is_whole(panel):
    assert panel["set"].unique().tolist() == ["real", "held-out", "loops", "copies", "shuffled", "rests", "random"]
    assert panel["part"].unique().tolist() == ["two-sample", "judge", "descriptors", "diversity", "novelty"]
    assert panel["figure"].nunique() == 30 and len(panel) == 7 * 30
    assert panel[["value", "low", "high"]].notna().all().all() and (panel["low"] <= panel["value"]).all() and (panel["value"] <= panel["high"]).all()
    assert (panel["beats"] == 120).all()


def test_real_is_nearer_to_real_than_random_is(panel):
    worse = shortfall(panel)
    failed = worse.index[(worse["held-out"] >= worse["random"]) & (worse.index != "distinct beats")].tolist() # random beats never repeat
    assert not failed, failed


def test_shortfall_by_hand():
    def panel(part, figure, **values):
        return pd.DataFrame([dict(set=name, part=part, figure=figure, value=value) for name, value in values.items()])
    table = shortfall(pd.concat([panel("two-sample", "worst", real=.6, a=.5, b=.9), panel("descriptors", "overlap, density", real=.8, a=.9, b=.5),
                                 panel("descriptors", "KL, density", real=.1, a=0, b=.5), panel("novelty", "bars copied", real=.2, a=.5, b=.1)]))
    np.testing.assert_allclose(table, [[0, 0, .3], [0, 0, .3], [0, 0, .4], [0, .3, .1]])


def test_held_out_real_clips_pass(panel):
    assert values(panel).loc["excess", "held-out"] < .12


@pytest.mark.parametrize("cheat", ["loops", "shuffled", "rests"])
def test_classifiers_catch(panel, cheat):
    assert values(panel).loc["excess", cheat] > .2


def test_copies_pass_the_classifiers_and_are_caught_as_copies(panel):
    assert values(panel).loc["excess", "copies"] < .12
    assert values(panel).loc[["nearest training clip", "bars copied"], "copies"].tolist() == [0, 1]


def test_every_cheat_is_starred(panel):
    starred = panel[differs(panel)].groupby("set")["figure"].agg(set)
    assert "distinct beats" in starred["loops"] and "distinct beats" in starred["rests"] and "bars copied" in starred["copies"]
    assert "excess" in starred["shuffled"] and "real" not in starred


def test_same_seed_same_panel(clips):
    beats = some(clips, 30) + random_beats(30)
    one, two = (evaluate(beats, clips, draws=10, fast=True, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert "two-sample" not in set(one["part"])


def test_polyphony(clips):
    train = clips[clips.info["split"] == "train"]
    poly = [train[i] for i in range(0, 800, 10)]
    both = {mono: evaluate(poly, clips, draws=5, fast=True, mono=mono).set_index(["set", "figure"])["value"] for mono in (True, False)}
    assert (both[False][:, "Hamming, pairs"] != both[True][:, "Hamming, pairs"]).any()
    assert both[False]["beats", "bars copied"] == 1


@pytest.mark.parametrize("beats, words", [([], "beats: at least two"), ([Beat.from_classes([0] * 16)] * 50, "16 steps, but the real clips have 32"), ([ROCK], "at least two"),
                                          ({"real": [ROCK] * 50}, "taken"), ({"a": [ROCK] * 50, "b": [Beat.from_classes([0] * 64)] * 2}, "b: its beats have 64"),
                                          ([ROCK, Beat.from_classes([0] * 16)], "one length")])
def test_evaluate_refuses(clips, beats, words):
    with pytest.raises(ValueError, match=words):
        evaluate(beats, clips)


def test_final_compares_with_the_test_split(clips):
    chosen, final = real_clips(clips), real_clips(clips, final=True)
    assert set(final.second.info["split"]) == {"test"} and set(final.first.info["split"]) == {"validation"}
    assert set(chosen.second.info["split"]) == set(chosen.first.info["split"]) == {"validation"}
    assert not set(groups(chosen.first)) & set(groups(chosen.second))


def test_table_and_picture(panel):
    table = panel_table(panel)
    assert table.shape == (30, 7) and table.index[4] == ("two-sample", "excess")
    assert table.loc[("novelty", "bars copied"), "copies"] == "1.00 ±0.00*"
    picture = plot_panel(panel)
    shown = [ax.get_title() for ax in picture.axes if ax.axison]
    assert shown == panel["figure"].unique().tolist()
    assert [label.get_text() for label in picture.axes[0].get_yticklabels()] == panel["set"].unique().tolist()
