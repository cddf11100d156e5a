"""Feel: figures of performances by hand, and fakes that must be noticed."""

from functools import partial

import numpy as np
import pytest
from beats import ROCK, SILENCE, few_clips

from drum_qtuner.beat import Beat
from drum_qtuner.fakes import FAKES, with_feel
from drum_qtuner.feel import (
    carries_feel,
    describe_feel,
    dynamics,
    eighth_swing,
    ghost_notes,
    lateness,
    looseness,
    offsets,
    performance,
    polyphony,
    spread_in_step,
    step_ms,
    strokes_at_once,
    struck,
    swing,
    swing_ratio,
    timing_by_drum,
    timing_by_position,
    timing_change,
    triplets,
    velocities,
    velocity_by_drum,
    velocity_by_position,
    velocity_change,
)
from drum_qtuner.intervals import groups, real_clips
from drum_qtuner.opinions import convolution, recurrent
from drum_qtuner.panel import evaluate
from drum_qtuner.preprocessing import Clips, load_clips
from drum_qtuner.two_sample import boosting, features, two_sample

BD, SD, CH = 0, 1, 6


@pytest.fixture(scope="module")
def clips() -> Clips:
    "Every fourth of the real clips, cut by step."
    whole = load_clips(split="all", grid="performance", verbose=False)
    return whole.select(slice(0, None, 4))


def play(*hits, steps=16) -> Beat:
    "A beat of (step, drum, velocity, offset)."
    velocity, offset = np.zeros((steps, 9), int), np.zeros((steps, 9))
    for step, drum, loud, late in hits:
        velocity[step, drum], offset[step, drum] = loud, late
    return Beat(velocity, offset)


GROOVE = play(
    *[(0, BD, 100, 0), (3, SD, 30, -0.25), (4, SD, 90, 0), (0, CH, 80, 0), (2, CH, 60, 0.125)],
    *[(4, CH, 80, 0.125), (6, CH, 60, 0.25)],
)
REST_BAR = play()


def test_an_array_holds_all_that_is_played(clips):
    some = clips.select(slice(0, 50))
    for beats in (some, [some[i] for i in range(50)], performance(some)):
        played = performance(beats)
        assert played.shape == (50, 32, 27) and played.dtype == np.float32
        np.testing.assert_array_equal(struck(played), some.velocity > 0)
        np.testing.assert_array_equal(np.nan_to_num(velocities(played)), some.velocity)
        ticks = np.stack([some[i].offset for i in range(50)])  # a beat has whole ticks
        np.testing.assert_array_equal(np.nan_to_num(offsets(played)), ticks)


def test_what_is_no_performance_is_refused():
    for wrong in (None, [], [3], GROOVE):
        with pytest.raises(ValueError, match="needs"):
            performance(wrong)
    with pytest.raises(ValueError, match="how they were played"):
        performance(np.zeros((2, 32, 9), bool))
    with pytest.raises(ValueError, match="needs performances"):
        performance(np.zeros((2, 32, 9), np.float32))


BY_HAND = {
    polyphony: 2 / 5,  # steps 0 and 4 of 0, 2, 3, 4, 6
    dynamics: np.std([100, 30, 90, 80, 60, 80, 60]),
    ghost_notes: 1 / 2,  # 30 of 30 and 90
    lateness: (-0.25 + 0.125 + 0.125 + 0.25) / 7,
    looseness: np.std([0, -0.25, 0, 0, 0.125, 0.125, 0.25]),
    spread_in_step: (0 + 0.125) / 2,
    swing: -0.25 - (0.125 + 0.125 + 0.25) / 6,
    eighth_swing: (2.25 - 0.0625 - 2) / 2,  # the second quarter alone has two strokes
    triplets: 1,  # the early snare at step 3
    velocity_change: np.nan,  # one bar
    timing_change: np.nan,
}


@pytest.mark.parametrize("figure", BY_HAND)
def test_figures_by_hand(figure):
    values = figure([GROOVE, REST_BAR])
    np.testing.assert_allclose(values, [BY_HAND[figure], np.nan])


def test_profiles_by_hand():
    np.testing.assert_array_equal(strokes_at_once([GROOVE])[0] * 16, [11, 3, 2, 0, 0])
    loud, late = velocity_by_drum([GROOVE])[0], timing_by_drum([GROOVE])[0]
    np.testing.assert_allclose(loud[[BD, SD, CH, 2]], [100, 60, 70, np.nan])
    np.testing.assert_allclose(late[[BD, SD, CH, 2]], [0, -0.125, 0.125, np.nan])
    places = [90, np.nan, 60, 30, 85, np.nan, 60, np.nan]
    np.testing.assert_allclose(velocity_by_position([GROOVE])[0, :8], places)
    places = [0, np.nan, 0.125, -0.25, 0.0625, np.nan, 0.25, np.nan]
    np.testing.assert_allclose(timing_by_position([GROOVE])[0, :8], places)


def test_changes_from_bar_to_bar_by_hand():
    first = [(0, BD, 100, 0), (4, SD, 90, 0), (2, CH, 60, 0.125)]
    second = [(16, BD, 60, 0.25), (20, SD, 90, -0.25), (24, CH, 60, 0.125)]
    beat = play(*first, *second, steps=32)  # the hi-hat does not come back at its place
    assert velocity_change([beat])[0] == 20 and timing_change([beat])[0] == 0.25


def test_a_shuffle_is_held_by_the_grid():
    "Triplets at 2/3 of every beat: moments in steps, on the grid and back."
    moments = np.array([[4 * beat, 4 * beat + 8 / 3] for beat in range(4)]).ravel()
    steps = np.floor(moments + 0.5).astype(int)
    shuffle = play(*[(s, CH, 80, m - s) for s, m in zip(steps, moments)])
    assert steps.tolist() == [0, 3, 4, 7, 8, 11, 12, 15]
    assert eighth_swing([shuffle])[0] == pytest.approx(1 / 3) and triplets([shuffle])[0] == 1
    np.testing.assert_allclose(swing_ratio(eighth_swing([shuffle])), 2, rtol=1e-6)
    straight = play(*[(step, CH, 80, 0) for step in range(0, 16, 2)])
    assert eighth_swing([straight])[0] == 0 and swing_ratio(0) == 1 and step_ms(120) == 125


def test_who_carries_feel(clips):
    assert not carries_feel([ROCK, SILENCE]) and carries_feel(clips)
    assert carries_feel([ROCK, Beat(ROCK.velocity // 2)])
    assert carries_feel([Beat(ROCK.velocity, np.where(ROCK.velocity > 0, 0.1, 0))])
    assert carries_feel([Beat(np.maximum(ROCK.velocity, np.roll(ROCK.velocity, 1, axis=1)))])


def test_the_trees_see_strokes_first_and_then_the_feel(clips):
    some = clips.select(slice(0, 30))
    whole, hits = features(performance(some)), features(some.velocity > 0)
    np.testing.assert_array_equal(whole[:, : hits.shape[1]], hits)
    felt = describe_feel(some).to_numpy(np.float32)
    np.testing.assert_array_equal(whole[:, hits.shape[1] :], felt)


KEEP_STROKES = ("flat", "shuffled", "quantised", "mirrored", "medians", "drawn", "jittered")


def test_fakes_keep_what_they_promise(clips):
    train, some = clips.split("train"), clips.split("validation")
    made = {name: fake(some, np.random.default_rng(0), train) for name, fake in FAKES.items()}
    for name in KEEP_STROKES:
        np.testing.assert_array_equal(made[name].velocity > 0, some.velocity > 0)
        np.testing.assert_array_equal(made[name].info, some.info)
    for now, before in zip(made["shuffled"].velocity, some.velocity):
        np.testing.assert_array_equal(np.sort(now[now > 0]), np.sort(before[before > 0]))
    snare = np.median(train.velocity[:, 4::16, 1][train.velocity[:, 4::16, 1] > 0])
    backbeat = made["medians"].velocity[:, 4::16, 1]
    assert set(np.unique(backbeat)) == {0, np.round(snare)}
    assert (made["mono"].velocity > 0).sum(-1).max() == 1
    independent = made["independent"].velocity
    np.testing.assert_array_equal((independent > 0).sum((0, 1)), (some.velocity > 0).sum((0, 1)))


NOTICED_BY = {
    "flat": (dynamics, 0, 1),  # figure, and between which parts of the real value the fake lies
    "shuffled": (velocity_change, 1.5, 4),
    "quantised": (looseness, 0, 0.01),
    "mirrored": (lateness, -1.1, -0.9),
    "medians": (timing_change, 0, 0.01),
    "drawn": (velocity_change, 1.5, 4),
    "jittered": (ghost_notes, 0, 0.1),
    "mono": (polyphony, 0, 0.01),
    "independent": (spread_in_step, 1.3, 3),
}


@pytest.mark.parametrize("fake", FAKES)
def test_each_fake_is_noticed_by_its_figure(clips, fake):
    some, (figure, low, high) = clips.split("validation"), NOTICED_BY[fake]
    made = FAKES[fake](some, np.random.default_rng(0), clips.split("train"))
    ratio = np.nanmean(figure(made)) / np.nanmean(figure(some))
    assert low <= ratio <= high


CLASSIFIERS = [boosting, *(partial(network, updates=80) for network in (convolution, recurrent))]


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_classifiers_tell_quantised_beats_only_from_their_feel(clips, classifier):
    parts = real_clips(clips)
    sides = [FAKES["quantised"](part) for part in (parts.first, parts.second)]
    pairs = [part[i] for part in sides for i in range(len(part))]
    options = dict(size=150, repeats=1, classifier=classifier, paired=True)
    felt = two_sample(pairs, parts.first, parts.second, sees=performance, **options)
    assert felt["accuracy"].mean() > 0.75
    hits = two_sample(pairs, parts.first, parts.second, mono=False, **options)
    np.testing.assert_allclose(hits["AUC"], 0.5, atol=1e-3)  # the same strokes on both sides


def test_pairs_stay_together(clips):
    parts, seen = real_clips(clips), []
    both = [part[i] for part in (parts.first, parts.second) for i in range(len(part))]

    def spy(played, labels, judged, seed):
        seen.append((played, judged))
        return np.full(len(judged), 0.5)

    two_sample(both, parts.first, parts.second, 60, 1, classifier=spy, mono=False, paired=True)
    for sides in seen:
        for side in sides:
            np.testing.assert_array_equal(*np.split(side, 2))
    for options in (dict(beats=both[:-1]), dict(beats=both, group=groups(both[:3]))):
        with pytest.raises(ValueError, match="pairs need a beat for each"):
            two_sample(first=parts.first, second=parts.second, paired=True, **options)


def test_the_panel_speaks_of_feel_only_where_there_is_any():
    clips = few_clips()
    real = load_clips(split="all", grid="performance", verbose=False).split("train")
    people = [real[i] for i in range(0, 160, 2)]
    flat = [Beat.from_classes(beat.classes()) for beat in people]
    options = dict(clips=clips, n=60, repeats=1, draws=5)
    without, felt = evaluate(flat, **options), evaluate({"flat": flat, "people": people}, **options)
    assert not (without["part"] == "feel").any()
    rows = felt[felt["part"] == "feel"].set_index(["set", "figure"])
    assert rows.loc[("flat", "dynamics"), "value"] == 0 < rows.loc[("real", "dynamics"), "value"]
    assert ("people", "accuracy of the performance") in rows.index
    assert rows["data"].nunique() == 1 and rows["data"].iloc[0] != felt["data"].iloc[0]
    same = felt[(felt["set"] == "flat") & (felt["part"] != "feel")].drop(columns="set")
    np.testing.assert_array_equal(
        same["value"], without.loc[without["set"] == "beats", "value"].to_numpy()
    )


def test_with_feel_cuts_offsets_to_the_step(clips):
    some = clips.select(slice(0, 3))
    made = with_feel(some, some.velocity, some.offset + 0.7)
    assert made.offset.max() < 0.5 and not made.offset[some.velocity == 0].any()
