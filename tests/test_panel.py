"""The panel: every figure against arithmetic done by hand or another library, and cheats that must be caught."""

from itertools import combinations, groupby

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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
    return [
        Beat.from_classes(row) for row in np.random.default_rng(seed).permutation(clips.classes)[:n]
    ]


def random_beats(n, seed=0):
    return [
        Beat.from_classes(row) for row in np.random.default_rng(seed).integers(0, REST + 1, (n, 32))
    ]


# What is looked at


def test_strokes_of_every_kind_of_beats(clips):
    assert strokes(ROCK).shape == (32, 9) and strokes([ROCK, SILENCE]).shape == (2, 32, 9)
    assert strokes(clips).sum() > strokes(clips, mono=True).sum() > 0
    np.testing.assert_array_equal(
        strokes(clips, mono=True).argmax(2)[clips.classes < REST],
        clips.classes[clips.classes < REST],
    )
    beats = [clips[i] for i in range(20)]
    np.testing.assert_array_equal(strokes(beats), strokes(clips[:20]))
    assert strokes(strokes(ROCK)) is not None and strokes(strokes(ROCK)).shape == (32, 9)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((32, 9)),
        np.full((32, 9), np.nan),
        np.zeros((32, 8), bool),
        np.zeros((20, 9), bool),
        np.zeros((2, 0, 9), bool),
        np.zeros(9, bool),
        np.array(True),
    ],
)
def test_strokes_refuses(wrong):
    with pytest.raises(ValueError, match="strokes are True or False"):
        strokes(wrong)


def test_the_loudest_of_mere_strokes_is_unknown():
    assert strokes(strokes([ROCK, SILENCE]), mono=True).sum() == 16  # never two at once
    with pytest.raises(ValueError, match="the loudest"):
        strokes(np.ones((32, 9), bool), mono=True)


NO_BEATS = {
    "none": None,
    "number": 3,
    "text": "rock.mid",
    "a number among beats": [ROCK, 3],
    "arrays": [ROCK.velocity > 0],
    "a generator": (beat for beat in ()),
    "lengths": [ROCK, Beat.from_classes([0] * 16)],
    "empty": [],
    "tensor": torch.zeros(3, 32, 9, dtype=torch.bool),
    "dictionary": {"a": [ROCK]},
}
OF_BEATS = {
    **DESCRIPTORS,
    "strokes": strokes,
    "describe_beats": describe_beats,
    "groups": groups,
    "patterns": patterns,
    "distinct_share": distinct_share,
    "hamming_within": hamming_within,
    "distinct_ngrams": distinct_ngrams,
    "judge_scores": lambda beats: judge_scores(load_judge(), beats),
    "nearest_clip": lambda beats: nearest_clip(beats, [ROCK]),
    "nearest of none": lambda beats: nearest_clip([ROCK], beats),
    "bars_copied": lambda beats: bars_copied(beats, [ROCK]),
    "bars of none": lambda beats: bars_copied([ROCK], beats),
    "neighbourhoods": lambda beats: neighbourhoods(beats, np.arange(3)),
    "two_sample": lambda beats: two_sample(beats, beats, beats),
}


@pytest.mark.parametrize("wrong", NO_BEATS)
@pytest.mark.parametrize("function", OF_BEATS)
def test_what_is_no_beats_is_refused(function, wrong):
    with pytest.raises(
        ValueError,
        match=(
            r"needs (a set of one or more beats|one or more beats|a list of `Beat`|`Clips` or a"
            r" list)"
        ),
    ):
        OF_BEATS[function](NO_BEATS[wrong])


@pytest.mark.parametrize(
    "function",
    [
        "describe_beats",
        "distinct_share",
        "hamming_within",
        "distinct_ngrams",
        "nearest_clip",
        "bars_copied",
        "neighbourhoods",
    ],
)
@pytest.mark.parametrize(
    "hits", [np.zeros((0, 32, 9), bool), np.zeros((32, 9), bool), np.zeros((2, 3, 32, 9), bool)]
)
def test_figures_of_a_set_want_a_set(function, hits):
    with pytest.raises(ValueError, match="needs a set of one or more beats"):
        OF_BEATS[function](hits)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_descriptors_of_none_are_none(name):
    assert len(DESCRIPTORS[name](np.zeros((0, 32, 9), bool))) == 0
    assert DESCRIPTORS[name](np.zeros((2, 3, 16, 9), bool)).shape[:2] == (
        2,
        3,
    )  # one bar, more axes


def test_strokes_wants_beats_of_one_length():
    with pytest.raises(ValueError, match=r"\[16, 32\]"):
        strokes([ROCK, Beat.from_classes([0] * 16)])


# Descriptors


def test_descriptors_by_hand():
    assert density(ROCK) == 0.5 and density(SILENCE) == 0
    np.testing.assert_allclose(drum_shares(ROCK), [0.25, 0.25, 0, 0, 0, 0, 0.5, 0, 0])
    np.testing.assert_allclose(onset_profile(Beat.from_classes([0] + [9] * 31)), [0.5] + [0] * 15)
    assert backbeat(ROCK) == downbeat(ROCK) == 1
    assert backbeat(repeat(1)) == downbeat(repeat(0)) == 0  # a loop that also hits everywhere else
    assert backbeat(repeat(1, 9, 9, 9)) == pytest.approx(1 - 2 / 14)  # beats 1 and 3 as well
    assert timekeeping(ROCK) == 1 and timekeeping(repeat(6, 6, 6)) == 1
    assert timekeeping(Beat.from_classes([6] + [9] * 31)) == 0
    assert (
        timekeeping(Beat.from_classes([6, 9, 6] + [9] * 29)) == 0.5
    )  # two strokes, one comes again after two steps
    assert bar_repetition(ROCK) == 1
    assert bar_repetition(Beat.from_classes([0] + [9] * 31)) == 0
    assert bar_repetition(Beat.from_classes([0, 1] + [9] * 14 + [0] + [9] * 15)) == 0.5
    assert run_length(SILENCE) == 32 and run_length(ROCK) == 1


def test_descriptors_of_polyphony_by_hand():
    "Bass drum and hi-hat on 1 and 3, snare and hi-hat on 2 and 4, hi-hat alone between: 16 + 4 + 4 strokes."
    hits = (
        strokes(repeat(6, 9)) | strokes(repeat(0, *[9] * 7)) | strokes(repeat(*[9] * 4, 1, 9, 9, 9))
    )
    assert (
        density(hits) == 24 / 32
        and backbeat(hits) == downbeat(hits) == timekeeping(hits) == bar_repetition(hits) == 1
        and syncopation(hits) == 0
    )
    np.testing.assert_allclose(drum_shares(hits), np.array([4, 4, 0, 0, 0, 0, 16, 0, 0]) / 24)
    assert onset_profile(hits).tolist() == [1, 0] * 8 and run_length(hits) == 1
    assert (
        bar_repetition(np.concatenate([hits[:16], hits[16:] & (np.arange(9) == 6)])) == 8 / 12
    )  # the second bar lost bass and snare


def tree(steps):
    "Longuet-Higgins and Lee: the first unit of a bar weighs 0, each halving makes the second half one less."
    return (
        [0]
        if steps == 1
        else (half := tree(steps // 2)) + [-int(np.log2(16 // steps)) - 1] + half[1:]
    )


@given(polyphony)
def test_descriptors_against_loops(hits):
    weight = tree(16) * 2
    assert METRICAL_WEIGHT.tolist() == tree(16)
    for h in hits:
        sounding = [t for t in range(32) if h[t].any()]
        assert density(h) == sum(map(sum, h.tolist())) / 32
        assert onset_profile(h).tolist() == [
            np.mean([t in sounding, t + 16 in sounding]) for t in range(16)
        ]
        for descriptor, drum, positions in ((backbeat, 1, (4, 12)), (downbeat, 0, (0, 8))):
            inside, outside = (
                [h[t, drum] for t in range(32) if (t % 16 in positions) == there]
                for there in (True, False)
            )
            assert descriptor(h) == pytest.approx(np.mean(inside) - np.mean(outside))
        if not sounding:
            continue
        np.testing.assert_allclose(
            drum_shares(h), [h[:, drum].sum() / h.sum() for drum in range(9)]
        )
        strength = 0
        for t, after in zip(sounding, [*sounding[1:], 32]):
            strength += max([0, *(weight[rest] - weight[t] for rest in range(t + 1, after))])
        assert syncopation(h) == strength / 2
        one, two = (
            {(t % 16, drum) for t, drum in zip(*np.nonzero(h)) if t // 16 == bar} for bar in (0, 1)
        )
        assert bar_repetition(h) == len(one & two) / len(one | two)


def test_syncopation_by_hand():
    def one_bar(*steps):
        return Beat.from_classes([0 if step in steps else 9 for step in range(16)])

    assert syncopation(one_bar(0, 4, 8, 12)) == 0
    assert syncopation(one_bar(3)) == -1 + 4  # hangs over beat 3, which is heavier than beat 2
    assert syncopation(one_bar(3, 8)) == -2 + 4  # beat 3 is played, beat 2 is not
    assert syncopation(one_bar(0, 6, 12)) == -1 + 3
    assert syncopation(one_bar(0, 2, 6, 10, 14)) == (-2 + 3) + (-1 + 3) + (-2 + 3)
    assert (
        syncopation(repeat(*[9] * 14, 0, 9)) == (0 + 3) / 2
    )  # the push to the next bar; after the last bar nothing is known


def test_undefined_descriptors_are_nan():
    undefined = [name for name, f in DESCRIPTORS.items() if np.isnan(f(SILENCE)).any()]
    assert undefined == ["drum_shares", "timekeeping", "syncopation", "bar_repetition"]
    assert np.isnan(timekeeping(repeat(0))) and np.isnan(
        bar_repetition(Beat.from_classes([0] * 16))
    )


@given(polyphony)
def test_descriptors_of_many_are_those_of_each(hits):
    for descriptor in DESCRIPTORS.values():
        np.testing.assert_allclose(descriptor(hits), [descriptor(h) for h in hits])


@given(polyphony)
def test_descriptors_stay_in_their_range(hits):
    for name, (low, high) in dict(
        density=(0, 9),
        drum_shares=(0, 1),
        onset_profile=(0, 1),
        backbeat=(-1, 1),
        downbeat=(-1, 1),
        timekeeping=(0, 1),
        syncopation=(0, 64),
        bar_repetition=(0, 1),
        run_length=(1, 32),
    ).items():
        values = DESCRIPTORS[name](hits)
        assert ((values >= low) & (values <= high) | np.isnan(values)).all(), name


@given(sequences)
def test_runs_are_those_of_itertools(classes):
    assert run_length(Beat.from_classes(classes)) == 32 / len(list(groupby(classes)))
    assert run_length(Beat.from_classes(classes)) <= longest_run(
        Beat.from_classes(classes), over_rests=False
    )


@given(polyphony)
def test_timekeeping_is_the_largest_autocorrelation(hits):
    for h in hits:
        cymbals = h[:, [5, 6, 8]].any(1).astype(float)
        if not cymbals.any():
            continue
        circular = np.fft.ifft(np.abs(np.fft.fft(cymbals)) ** 2).real
        assert timekeeping(h) == pytest.approx(max(circular[[1, 2, 4]]) / circular[0])


def test_describe_beats_has_a_column_each():
    table = describe_beats([ROCK, SILENCE])
    assert (
        table.shape == (2, 32)
        and table["drum_shares SD"].tolist()[0] == 0.25
        and table["onset_profile 2"].tolist() == [1, 0]
    )


def test_twenty_thousand_clips_take_seconds():
    hits = np.random.default_rng(0).random((20_000, 32, 9)) < 0.1
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


@pytest.mark.parametrize("group", [[], [[1, 2]], [1, np.nan], ["a", None], 3])
def test_groups_that_are_none(group):
    for function in (deal, lambda group: interval(len, group)):
        with pytest.raises(ValueError, match="groups are a flat array"):
            function(np.array(group))


def test_too_few_parts_and_draws():
    with pytest.raises(ValueError, match="one part"):
        deal(np.arange(3), 0)
    with pytest.raises(ValueError, match="two draws"):
        interval(len, np.arange(3), draws=1)
    with pytest.raises(ValueError, match="two draws"):
        interval(len)


def test_interval_covers_what_it_should():
    "Twenty performances of twenty clips that resemble each other: by performance 95%, by clip far less."
    rng, hits = np.random.default_rng(0), {"performance": 0, "clip": 0}
    group = np.repeat(np.arange(20), 20)
    for trial in range(200):
        x = np.repeat(rng.normal(size=20), 20) + rng.normal(size=400) / 2
        for name, g in {"performance": group, "clip": np.arange(400)}.items():
            _, low, high = interval(lambda i: x[i].mean(), g, seed=trial)
            hits[name] += low < 0 < high
    assert hits["performance"] > 200 * 0.88 and hits["clip"] < 200 * 0.6


def test_interval_agrees_with_scipy():
    x = np.random.default_rng(0).gamma(2, size=100)
    theirs = scipy.stats.bootstrap((x,), np.mean, n_resamples=4000, random_state=0).standard_error
    for replace in (True, False):
        value, low, high = interval(
            lambda i: x[i].mean(), np.arange(100), draws=4000, replace=replace
        )
        assert (
            value == x.mean()
            and (high - value) / 1.96 == pytest.approx(theirs, rel=0.05)
            and value - low == pytest.approx(high - value)
        )


# Overlap and divergence


def test_pairwise_by_hand():
    np.testing.assert_allclose(
        pairwise(np.array([1.0, 4.0]), np.array([1.0, np.nan, 2.0])),
        [[0, np.nan, 1], [3, np.nan, 2]],
    )
    np.testing.assert_allclose(pairwise(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]])), [[5]])


@pytest.mark.parametrize("seed", range(3))
def test_overlap_agrees_with_kernel_densities_of_scipy(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.gamma(9, 1, 3000), rng.gamma(9 + 2 * seed, 1, 3000)
    f, g = scipy.stats.gaussian_kde(a), scipy.stats.gaussian_kde(b)
    x = np.linspace(0, 40, 2000)
    assert overlap(*densities(a, b)) == pytest.approx(
        np.trapezoid(np.minimum(f(x), g(x)), x), abs=0.015
    )
    p, q = f(x) / f(x).sum(), g(x) / g(x).sum()
    assert kl(*densities(a, b)) == pytest.approx(scipy.stats.entropy(p, q), abs=0.08)


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


@pytest.mark.parametrize("distances", [(), ([],), ([-1.0], [2.0]), ([np.inf], [1.0])])
def test_densities_refuses(distances):
    with pytest.raises(ValueError, match="needs distances"):
        densities(*distances)


def test_distances_and_distributions_that_do_not_fit():
    assert overlap([0.5, 0.5], [0.25, 0.75]) == 0.75 and kl([0.5, 0.5], [0.5, 0.5]) == 0
    for function in (overlap, kl):
        for p, q in (
            ([1.0], [0.5, 0.5]),
            ([[1.0]], [[1.0]]),
            ([1.0, 0], [np.nan, 1]),
            ([1.5, -0.5], [0, 1]),
        ):
            with pytest.raises(ValueError, match="same bins"):
                function(p, q)
    for x, y in (((3, 2), (3, 4)), ((0,), (3,)), ((3,), (3, 1)), ((2, 2, 2), (2, 2, 2))):
        with pytest.raises(ValueError, match="one descriptor of two sets"):
            pairwise(np.zeros(x), np.zeros(y))


# Diversity and novelty


@given(arrays(bool, (6, 16, 9)))
@settings(max_examples=30)
def test_diversity_against_sets_of_python(hits):
    rows = [tuple(map(bytes, h)) for h in hits]
    assert distinct_share(hits) == len(set(rows)) / 6
    assert hamming_within(hits) == pytest.approx(
        np.mean([np.mean([x != y for x, y in zip(a, b)]) for a, b in combinations(rows, 2)])
    )
    grams = [row[i : i + 4] for row in rows for i in range(13)]
    assert distinct_ngrams(hits) == len(set(grams)) / len(grams)
    assert distinct_ngrams(hits, 7) == len({row[i : i + 7] for row in rows for i in range(10)}) / 60


@pytest.mark.parametrize("length", [0, 8, 33, 2.5])
def test_ngrams_of_a_length_that_is_not_counted(length):
    with pytest.raises(ValueError, match="1..7"):
        distinct_ngrams([ROCK], length)


def test_beats_of_different_lengths_are_not_compared():
    with pytest.raises(ValueError, match="16 steps cannot be compared with clips of 32"):
        nearest_clip([Beat.from_classes([0] * 16)], [ROCK])
    assert bars_copied([Beat.from_classes(ROCK.classes()[:16])], [ROCK]).tolist() == [
        1
    ]  # bars are bars


def test_neighbours_and_radii_that_are_missing():
    with pytest.raises(ValueError, match="5 clips of other performances"):
        neighbourhoods([ROCK, SILENCE], np.arange(2))
    with pytest.raises(ValueError, match="1 clips of other performances"):
        neighbourhoods([ROCK, SILENCE], np.zeros(2), 1)
    with pytest.raises(ValueError, match="a group for each"):
        neighbourhoods([ROCK, SILENCE, ROCK], np.arange(2), 1)
    for distances, radius in ((np.zeros((0, 3)), np.zeros(3)), (np.zeros((2, 3)), np.zeros(4))):
        with pytest.raises(ValueError, match="a radius for each clip"):
            coverage(distances, radius)


@given(arrays(bool, (4, 32, 9)), arrays(bool, (5, 32, 9)))
@settings(max_examples=30)
def test_novelty_against_a_loop(hits, known):
    expected = [min((a != b).any(1).mean() for b in known) for a in hits]
    np.testing.assert_allclose(nearest_clip(hits, known), expected)
    bars = {bar.tobytes() for clip in known for bar in clip.reshape(2, -1)}
    assert bars_copied(hits, known).tolist() == [
        np.mean([bar.tobytes() in bars for bar in clip.reshape(2, -1)]) for clip in hits
    ]


def test_copies_are_copies(clips):
    train = clips[clips.info["split"] == "train"]
    copies = strokes(train[np.arange(0, len(train), 40)])
    assert nearest_clip(copies, train).max() == 0 and bars_copied(copies, train).min() == 1


def test_coverage_by_hand():
    real = [ROCK, repeat(0), repeat(1)]
    radius = neighbourhoods(real, np.array(["a", "b", "c"]), neighbours=1)
    np.testing.assert_allclose(
        radius, [28 / 32, 28 / 32, 28 / 32]
    )  # each shares four of its steps with the rock beat, or four with it
    distances = np.array([[0, 28, 28], [16, 32, 32]]) / 32
    assert coverage(distances, radius) == 1 and coverage(distances[1:], radius) == 1 / 3


def test_clips_of_one_performance_are_no_neighbours():
    real = [ROCK, ROCK, SILENCE]
    np.testing.assert_allclose(
        neighbourhoods(real, np.array(["a", "a", "b"]), neighbours=1), [0.5, 0.5, 0.5]
    )


# The judge


def test_judge_scores_by_hand():
    class Uniform(torch.nn.Module):
        def forward(self, classes):
            return torch.zeros(*classes.shape, 10)

    np.testing.assert_allclose(judge_scores(Uniform(), [ROCK, SILENCE]), -np.log(10), rtol=1e-6)


def test_judge_scores_are_those_of_its_steps():
    judge, beats, total = load_judge(), [ROCK, *random_beats(3)], 0
    classes = torch.tensor(np.array([beat.classes() for beat in beats])).long()
    with torch.no_grad():
        for t in range(32):
            total += judge.scores(classes[:, :t]).double().softmax(1)[range(4), classes[:, t]].log()
    np.testing.assert_allclose(judge_scores(judge, beats), total / 32, atol=1e-5)


def test_what_is_no_judge(clips):
    with pytest.raises(ValueError, match="a judge is a model"):
        judge_scores(3, [ROCK])
    with pytest.raises(ValueError, match="holds no judge"):
        load_judge(JUDGE.parent.parent / "weights" / "note_cnn.safetensors")
    with pytest.raises(ValueError, match="two performances"):
        train_judge(clips[:3])
    with pytest.raises(ValueError, match="one epoch"):
        train_judge(clips[np.arange(0, 2000, 8)], epochs=0)


def test_judge_does_not_see_the_future():
    judge, classes = (
        load_judge(),
        torch.randint(10, (3, 32), generator=torch.Generator().manual_seed(0)),
    )
    with torch.no_grad():
        logits = judge(classes)
        for t in (0, 1, 20):
            torch.testing.assert_close(
                judge.scores(classes[:, :t]), logits[:, t], atol=1e-5, rtol=1e-4
            )
        torch.testing.assert_close(
            judge(torch.cat([classes[:, :16], classes.flip(1)[:, :16]], 1))[:, :17],
            logits[:, :17],
            atol=1e-5,
            rtol=1e-4,
        )


def test_judge_likes_loops_better_than_music_and_random_least(clips):
    judge = load_judge()
    people, chance = (
        judge_scores(judge, clips[clips.info["split"] == "test"]).mean(),
        judge_scores(judge, random_beats(200)).mean(),
    )
    assert chance < people < max(judge_scores(judge, [repeat(sound) for sound in range(10)]))


def test_training_a_judge_helps_and_repeats(clips):
    train = clips[clips.info["split"] == "train"][np.arange(0, 2000, 8)]
    one, two = (train_judge(train, epochs=4) for _ in range(2))
    losses = one.card["loss on the performances kept, nats a step"]
    assert losses[-1] < losses[0] < np.log(10) + 0.1
    for a, b in zip(one.parameters(), two.parameters()):
        assert torch.equal(a, b)


# The two-sample test


def test_two_sample_never_mixes_performances(clips):
    seen = []

    def spy(hits, labels, judged, seed):
        seen.append((hits, labels, judged))
        return np.zeros(len(judged), bool)

    parts = real_clips(clips)
    verdicts = two_sample(parts.train, parts.first, parts.second, size=50, classifiers={"spy": spy})
    assert verdicts.groupby("run")["real"].mean().tolist() == [0.5, 0.5] and len(seen) == 2
    assert (
        accuracies(verdicts).loc["worst", "value"] == 0.5
    )  # who always says "real" is right about real clips
    by_run = [set(part["group"]) for _, part in verdicts.groupby("run")]
    assert not by_run[0] & by_run[1]
    for hits, labels, judged in seen:
        assert len(hits) == 100 and labels.sum() == 50 and labels[:50].all() and len(judged) == 100


def test_cross_validation_judges_each_performance_once(clips):
    parts = real_clips(clips)
    verdicts = two_sample(
        random_beats(300),
        parts.first,
        parts.second,
        folds=5,
        classifiers={"none": lambda h, l, j, seed: np.ones(len(j), bool)},
    )
    judged = verdicts[verdicts["real"]].groupby("group")["run"].nunique()
    assert verdicts["run"].nunique() == 5 and (judged == 1).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_classifier_tells_random_from_real_and_nothing_from_itself(clips, name):
    parts, classifier = real_clips(clips), {name: CLASSIFIERS[name]}
    told = {
        what: (
            accuracies(
                two_sample(beats, parts.first, parts.second, size=150, classifiers=classifier)
            ).loc[name, "value"]
        )
        for what, beats in {
            "random": random_beats(300),
            "same": some(parts.first, 150) + some(parts.second, 150),
        }.items()
    }
    assert told["random"] > 0.85 and told["same"] < 0.65


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers_repeat_themselves(clips, name):
    parts, beats = real_clips(clips), random_beats(80)
    one, two = (
        two_sample(
            beats, parts.first, parts.second, size=40, classifiers={name: CLASSIFIERS[name]}, seed=3
        )
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, two)


def test_two_sample_wants_enough(clips):
    parts = real_clips(clips)
    for beats, size in ((random_beats(30), 1000), (random_beats(90), 0), (random_beats(90), -5)):
        with pytest.raises(ValueError, match="needs 20 generated"):
            two_sample(beats, parts.first, parts.second, size)


@pytest.mark.parametrize(
    "options", [dict(repeats=0), dict(folds=1), dict(folds=0), dict(classifiers={})]
)
def test_two_sample_refuses_options(clips, options):
    parts = real_clips(clips)
    with pytest.raises(ValueError, match="one repeat or more, and two folds"):
        two_sample(random_beats(90), parts.first, parts.second, **options)


def test_two_sample_refuses_what_is_unfair(clips):
    parts = real_clips(clips)
    with pytest.raises(ValueError, match="by heart"):
        two_sample(random_beats(90), parts.first, parts.first)
    with pytest.raises(ValueError, match="number of steps, not 16"):
        two_sample([Beat.from_classes([0] * 16)] * 90, parts.first, parts.second)


def test_every_set_meets_the_same_real_clips(clips):
    parts, seen = real_clips(clips), []

    def spy(hits, labels, judged, seed):
        seen.append((seed, hits[~labels].tobytes(), judged[len(judged) // 2 :].tobytes()))
        return np.zeros(len(judged), bool)

    for beats in (parts.train, random_beats(200)):
        two_sample(beats, parts.first, parts.second, size=50, repeats=2, classifiers={"spy": spy})
    assert seen[:4] == seen[4:] and len(set(seen)) == 4


def made_up(right, seed=0, performances=20, beats=200):
    "Verdicts of two classifiers on five clips of each performance and on generated beats, right with these probabilities."
    rng, tables = np.random.default_rng(seed), []
    for name, probability in right.items():
        for real, group in (
            (True, np.repeat(np.arange(performances), 5)),
            (False, np.arange(beats)),
        ):
            tables.append(
                pd.DataFrame(
                    dict(
                        classifier=name,
                        run=0,
                        real=real,
                        group=group.astype(str),
                        correct=rng.random(len(group)) < probability,
                    )
                )
            )
    return pd.concat(tables, ignore_index=True)


def test_accuracies_agree_with_scikit_learn():
    from sklearn.metrics import balanced_accuracy_score

    verdicts, floor = made_up({"a": 0.9, "b": 0.7}), made_up({"a": 0.5, "b": 0.6}, seed=1)

    def theirs(table):
        return {
            name: balanced_accuracy_score(part["real"], part["real"] == part["correct"])
            for name, part in table.groupby("classifier")
        }

    table, expected = accuracies(verdicts, floor=floor), theirs(verdicts)
    assert table.index.tolist() == ["a", "b", "worst", "excess"]
    np.testing.assert_allclose(
        table["value"],
        [
            expected["a"],
            expected["b"],
            max(expected.values()),
            max(expected.values()) - max(theirs(floor).values()),
        ],
    )
    pd.testing.assert_frame_equal(
        accuracies(verdicts), accuracies(verdicts, floor=floor)[:3], atol=0.03
    )  # other draws, near intervals


def test_interval_of_the_excess_knows_that_the_performances_are_the_same():
    "Where only performances matter and do the same to both, the excess is certain, though each accuracy is not."
    verdicts = made_up({"a": 0.9})
    verdicts["correct"] = ~verdicts["real"] | (verdicts["group"].astype(int) % 2 == 0)
    table = accuracies(verdicts, floor=verdicts)
    widths = table["high"] - table["low"]
    assert (
        table["value"].tolist() == [0.75, 0.75, 0]
        and widths["worst"] > 0.1
        and widths["excess"] == 0
    )


def test_verdicts_that_are_not_whole():
    for table in (made_up({"a": 0.9})[:0], made_up({"a": 0.9}).query("real")):
        with pytest.raises(ValueError, match="verdicts on real and on generated"):
            accuracies(table)


# The whole panel


@pytest.fixture(scope="module")
def panel(clips):
    "Cheats, and real clips that should pass, judged by clips of the starter corpus."
    train = clips[clips.info["split"] == "train"]
    out = np.isin(groups(clips), groups(train)[deal(groups(train), 5) == 0])
    others, rng = clips[~out & (clips.info["split"] == "train")], np.random.default_rng(0)
    shuffled = rng.permuted(rng.permutation(others.classes)[:120], axis=1)
    sets = {
        "held-out": clips[out],
        "loops": [repeat(sound) for sound in rng.integers(0, REST, 120)],
        "copies": some(others, 120),
        "shuffled": [Beat.from_classes(row) for row in shuffled],
        "rests": [SILENCE] * 120,
    }
    return evaluate(
        sets, clips[~out], final=True, draws=50
    )  # the halves of validation are too small here


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
    assert panel["figure"].nunique() == 30 and len(panel) == 7 * 30
    assert (
        panel[["value", "low", "high"]].notna().all().all()
        and (panel["low"] <= panel["value"]).all()
        and (panel["value"] <= panel["high"]).all()
    )
    assert (panel["beats"] == 120).all()


def test_real_is_nearer_to_real_than_random_is(panel):
    worse = shortfall(panel)
    failed = worse.index[
        (worse["held-out"] >= worse["random"]) & (worse.index != "distinct beats")
    ].tolist()  # random beats never repeat
    assert not failed, failed


def test_shortfall_by_hand():
    def panel(part, figure, **values):
        return pd.DataFrame(
            [
                dict(set=name, part=part, figure=figure, value=value)
                for name, value in values.items()
            ]
        )

    table = shortfall(
        pd.concat(
            [
                panel("two-sample", "worst", real=0.6, a=0.5, b=0.9),
                panel("descriptors", "overlap, density", real=0.8, a=0.9, b=0.5),
                panel("descriptors", "KL, density", real=0.1, a=0, b=0.5),
                panel("novelty", "bars copied", real=0.2, a=0.5, b=0.1),
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
    assert values(panel).loc[["nearest training clip", "bars copied"], "copies"].tolist() == [0, 1]


def test_every_cheat_is_starred(panel):
    starred = panel[differs(panel)].groupby("set")["figure"].agg(set)
    assert (
        "distinct beats" in starred["loops"]
        and "distinct beats" in starred["rests"]
        and "bars copied" in starred["copies"]
    )
    assert "excess" in starred["shuffled"] and "real" not in starred


def test_every_figure_again(clips):
    "All but the two-sample test, by loops over beats and other libraries; see `test_accuracies_agree_with_scikit_learn` for that."
    ids = clips.info["id"].to_numpy()
    few = clips[np.concatenate([np.flatnonzero(ids == i)[:3] for i in pd.unique(ids)[::2]])]
    parts = real_clips(few, final=True)
    second = parts.second
    beats = some(clips, 24) + [SILENCE, ROCK, ROCK]
    panel = (
        evaluate(beats, few, final=True, fast=True, draws=2)
        .query("set == 'beats'")
        .set_index("figure")["value"]
    )
    assert len(second) <= 100, "all of them are compared, none is left to chance"
    made, real, train = (
        [row.tolist() for row in classes]
        for classes in (np.array([b.classes() for b in beats]), second.classes, parts.train.classes)
    )
    group = second.info["id"].tolist()

    def far(a, b):
        return np.mean([x != y for x, y in zip(a, b)])

    grams = [tuple(row[i : i + 4]) for row in made for i in range(29)]
    bars = {tuple(row[i : i + 16]) for row in train for i in (0, 16)}
    radius = [
        sorted(far(a, b) for b, h in zip(real, group) if h != g)[4] for a, g in zip(real, group)
    ]
    expected = {
        "distinct beats": len(set(map(tuple, made))) / len(made),
        "distinct 4-grams": len(set(grams)) / len(grams),
        "Hamming, pairs": np.mean([far(a, b) for a, b in combinations(made, 2)]),
        "nearest training clip": np.mean([min(far(a, b) for b in train) for a in made]),
        "bars copied": np.mean([tuple(row[i : i + 16]) in bars for row in made for i in (0, 16)]),
        "coverage": np.mean([min(far(a, b) for a in made) <= r for b, r in zip(real, radius)]),
    }
    for figure, value in expected.items():
        assert panel[figure] == pytest.approx(value), figure

    scores = [np.sort(judge_scores(load_judge(), part)) for part in (beats, second)]
    grid = np.sort(
        np.concatenate(scores)
    )  # Wasserstein's distance is the area between the two cumulative distributions
    shares = [np.searchsorted(part, grid[:-1], side="right") / len(part) for part in scores]
    assert panel["score distance"] == pytest.approx(
        np.sum(np.abs(shares[0] - shares[1]) * np.diff(grid))
    )

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
        mix = lambda p: 0.99 * p + 0.01 / len(p)
        assert panel[f"KL, {label}"] == pytest.approx(
            max(scipy.stats.entropy(mix(p), mix(q)), scipy.stats.entropy(mix(p), mix(r))), abs=0.05
        ), name


def test_fast_leaves_out_the_two_sample_test_and_changes_nothing_else(clips, monkeypatch):
    for slow in ("convolution", "recurrent"):
        monkeypatch.delitem(CLASSIFIERS, slow)
    beats = some(clips, 25) + random_beats(25)
    whole, fast = (evaluate(beats, clips, draws=2, fast=fast) for fast in (False, True))
    pd.testing.assert_frame_equal(whole[whole["part"] != "two-sample"].reset_index(drop=True), fast)


def test_same_seed_same_panel(clips):
    beats = some(clips, 30) + random_beats(30)
    one, two = (evaluate(beats, clips, draws=10, fast=True, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert "two-sample" not in set(one["part"])


def test_polyphony(clips):
    train = clips[clips.info["split"] == "train"]
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
    assert both[False]["beats", "bars copied"] == 1


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
    for wrong in (clips[clips.info["split"] == "train"], clips[:0]):
        with pytest.raises(ValueError, match="too few real clips"):
            evaluate([ROCK] * 9, wrong)
    with pytest.raises(ValueError, match="not str"):
        evaluate([ROCK] * 9, "starter")
    with pytest.raises(ValueError, match="0 test"):
        evaluate([ROCK] * 9, clips[clips.info["split"] != "test"], final=True)
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
    assert panel_table(panel).shape == (25, 3) and plot_panel(panel)


def test_final_compares_with_the_test_split(clips):
    chosen, final = real_clips(clips), real_clips(clips, final=True)
    assert set(final.second.info["split"]) == {"test"} and set(final.first.info["split"]) == {
        "validation"
    }
    assert set(chosen.second.info["split"]) == set(chosen.first.info["split"]) == {"validation"}
    assert not set(groups(chosen.first)) & set(groups(chosen.second))


def test_table_and_picture(panel):
    table = panel_table(panel)
    assert table.shape == (30, 7) and table.index[4] == ("two-sample", "excess")
    assert table.loc[("novelty", "bars copied"), "copies"] == "1.00 ±0.00*"
    picture = plot_panel(panel)
    shown = [ax.get_title() for ax in picture.axes if ax.axison]
    assert shown == panel["figure"].unique().tolist()
    assert [label.get_text() for label in picture.axes[0].get_yticklabels()] == panel[
        "set"
    ].unique().tolist()


def test_part_of_a_panel_can_be_drawn(panel):
    part = panel[(panel["part"] == "novelty") & panel["set"].isin(["real", "copies"])]
    assert plot_panel(part).axes[1].get_title() == "bars copied" and panel_table(part).shape == (
        2,
        2,
    )


@pytest.mark.parametrize("view", [panel_table, differs, shortfall, plot_panel])
def test_what_is_no_panel(panel, view):
    for wrong in (None, pd.DataFrame({"a": [1]})):
        with pytest.raises(ValueError, match="as `evaluate` gives it"):
            view(wrong)
    for wrong in (panel[:0], panel[panel["set"] != "real"], pd.concat([panel, panel])):
        with pytest.raises(ValueError, match="each figure of a set once"):
            view(wrong)
