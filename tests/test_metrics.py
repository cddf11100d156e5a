"""Metrics: each function against arithmetic by hand or another library, and their list."""

import inspect
import subprocess
import sys
from itertools import combinations, groupby

import numpy as np
import pytest
import torch
from beats import ROCK, SILENCE, few_clips, polyphony, repeat, sequences
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from drum_qtuner.beat import REST, Beat
from drum_qtuner.evaluation import longest_run
from drum_qtuner.hearing import log_likelihoods
from drum_qtuner.intervals import groups
from drum_qtuner.judge import load_judge
from drum_qtuner.metrics import (
    METRICAL_WEIGHT,
    METRICS,
    Metric,
    backbeat,
    bar_repetition,
    class_array,
    density,
    describe_beats,
    distinct_ngrams,
    distinct_share,
    downbeat,
    drum_shares,
    hamming_within,
    metric,
    metrics_of,
    onset_profile,
    patterns,
    run_length,
    strokes,
    syncopation,
    timekeeping,
)
from drum_qtuner.neighbours import coverage, nearest_clips, neighbourhoods, steps_copied
from drum_qtuner.preprocessing import Clips
from drum_qtuner.two_sample import two_sample

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every sixth of the real clips."
    return few_clips()


DESCRIPTORS = {metric.function.__name__: metric.function for metric in metrics_of("descriptors")}


def test_strokes_of_every_kind_of_beats(clips):
    assert strokes(ROCK).shape == (32, 9) and strokes([ROCK, SILENCE]).shape == (2, 32, 9)
    assert strokes(clips).sum() > strokes(clips, mono=True).sum() > 0
    np.testing.assert_array_equal(
        strokes(clips, mono=True).argmax(2)[clips.classes < REST],
        clips.classes[clips.classes < REST],
    )
    beats = [clips[i] for i in range(20)]
    np.testing.assert_array_equal(strokes(beats), strokes(clips.select(slice(0, 20))))
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
    "log_likelihoods": lambda beats: log_likelihoods(load_judge(), beats),
    "nearest_clips": lambda beats: nearest_clips(beats, [ROCK]),
    "nearest of none": lambda beats: nearest_clips([ROCK], beats),
    "steps_copied": lambda beats: steps_copied(beats, [ROCK]),
    "steps of none": lambda beats: steps_copied([ROCK], beats),
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
        "nearest_clips",
        "steps_copied",
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
    "Bass drum on 1 and 3, snare on 2 and 4, hi-hat in eighths: 4 + 4 + 16 strokes."
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
    "Longuet-Higgins and Lee: the bar weighs 0, each halving makes its second half one less."
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
    assert nearest_clips(hits[:200], hits)[0].max() == 0


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


# The list


def test_density_does_not_wait_for_torch():
    code = (
        "from drum_qtuner.metrics import density; import sys;"
        " print('LOADED', *{'torch', 'sklearn', 'scipy', 'matplotlib', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["LOADED"]


def test_the_list_is_whole():
    assert [m.name for m in METRICS.values() if m.part == "descriptors"] == [
        name.replace("_", " ") for name in DESCRIPTORS
    ]
    assert {m.name: m.better for m in METRICS.values() if m.better != "like real"} == {
        "coverage": "higher",
        "mixture": "lower",
        "score distance": "lower",
        "below the real 1%": "lower",
        **{m.name: "lower" for m in METRICS.values() if m.sees == "profile"},
    }
    assert METRICS["coverage"] == Metric("coverage", "diversity", "higher", coverage, "neighbours")
    assert METRICS["distinct beats"].function is distinct_share


@pytest.mark.parametrize("known", METRICS)
def test_every_metric_says_what_it_computes_and_when_it_is_not_defined(known):
    text = inspect.getdoc(METRICS[known].function)
    assert "/" in text or "istance" in text or " - " in text  # a formula
    assert "efined" in text or "nan" in text


def test_a_metric_joins_the_list_and_a_name_is_taken_once(monkeypatch):
    monkeypatch.setattr("drum_qtuner.metrics.METRICS", METRICS.copy())
    from drum_qtuner import metrics

    @metric("descriptors", name="loudness")
    def first(beats):
        return density(beats)

    assert metrics.METRICS["loudness"] == Metric("loudness", "descriptors", "like real", first)
    assert metrics_of("descriptors")[-1].function is first and first(ROCK) == 0.5
    assert "first" in describe_beats([ROCK])
    with pytest.raises(ValueError, match="already"):

        @metric("descriptors", name="loudness")
        def second(beats):
            return density(beats)

    for part, better in (("descriptor", "lower"), ("diversity", "louder")):
        with pytest.raises(ValueError, match="a metric belongs to"):
            metric(part, better)


def test_class_array_of_clips_and_of_beats(clips):
    np.testing.assert_array_equal(class_array(clips), clips.classes)
    np.testing.assert_array_equal(class_array([ROCK]), [ROCK.classes()])
