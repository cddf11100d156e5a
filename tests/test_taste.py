"""Votes, the taste behind them, and what the fit is held to: an optimiser, a known listener."""

import json

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import spearmanr

from drum_qtuner.beat import Beat
from drum_qtuner.clips import load_clips
from drum_qtuner.decoding import generate
from drum_qtuner.grooves import GROOVES
from drum_qtuner.rewards import check_reward, step_rewards
from drum_qtuner.store import load_pretrained
from drum_qtuner.studio import Studio
from drum_qtuner.taste import FEATURES, Taste, features, load_taste, real_features, standardised
from drum_qtuner.taste_fit import STRENGTHS, _fitted, _folds, pairs_of, taste_of, taste_of_pairs
from drum_qtuner.votes import Vote, ballot, load_votes, save_votes


def ride_and_toms(classes) -> np.ndarray:
    "A taste that is none of the features: strokes on ride and toms, minus those on the snare."
    return (np.isin(classes, [2, 3, 4, 8]).sum(1) - (np.asarray(classes) == 1).sum(1)) / 2


def thumbs(beats: np.ndarray, seed: int) -> list[tuple]:
    "Votes of somebody with this taste, who hesitates near the median."
    worth = ride_and_toms(beats)
    odds = 2 * (worth - np.median(worth)) / worth.std()
    return list(zip(beats, np.random.default_rng(seed).random(len(odds)) < 1 / (1 + np.exp(-odds))))


def heard(n: int, seed: int) -> np.ndarray:
    return np.array([beat.classes() for beat in ballot(n, seed=seed).values()])


def played(n: int, seed: int) -> np.ndarray:
    beats = generate(load_pretrained("note_cnn", only_play=True), n, seed=seed)
    return np.array([beat.classes() for beat in beats])


@pytest.fixture(scope="module")
def taste() -> Taste:
    return taste_of(thumbs(heard(60, 0), 0))


# Votes


def test_a_ballot_is_of_three_kinds():
    "Half of the model, a quarter grooves, the rest real; another lot, other beats."
    beats = ballot(40, seed=3)
    assert list(beats) == [f"beat {i}" for i in range(1, 41)]
    given = {beat.classes().tobytes() for beat in beats.values()}
    grooves = {beat.classes().tobytes() for beat in GROOVES.values()}
    real = {row.tobytes() for row in load_clips(split="train", verbose=False).classes}
    own = {row.tobytes() for row in played(80, 3).astype(np.uint8)}
    assert len(given) == 40 and len(given & grooves) == 10
    assert len(given & own) == 20 and len(given & real) >= 10
    assert all(
        beat.bpm == 110 and set(np.unique(beat.velocity)) == {0, 100} for beat in beats.values()
    )
    assert ballot(40, seed=4) != beats


def test_votes_are_kept(tmp_path):
    human = Beat(np.random.default_rng(0).integers(0, 128, (32, 9)), bpm=93)
    save_votes([(human, True), ([0, 9] * 16, False)], tmp_path / "votes.json")
    one, two = load_votes(tmp_path / "votes.json")
    assert one == Vote(Beat.from_classes(human.classes()), True)  # what the models hear of it
    assert two == Vote(Beat.from_classes([0, 9] * 16), False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("\xff", "is not JSON"),
        ("[]", "holds a list, not an object"),
        ("{}", "votes are a list, not NoneType"),
        ('{"votes": [3]}', "vote 1: it is no {classes, liked}"),
        ('{"votes": [{"classes": [12], "liked": true}]}', "vote 1: step 0"),
        (json.dumps(dict(votes=[dict(classes=[10] * 32, liked=True)])), "vote 1: step 0 holds"),
        (json.dumps(dict(votes=[dict(classes=[1] * 48, liked=True)])), "32 steps, not 48"),
        (json.dumps(dict(votes=[dict(classes=[1] * 32, liked=1)])), "True or False, not 1"),
    ],
)
def test_a_file_that_holds_no_votes_says_why(tmp_path, text, words):
    path = tmp_path / "votes.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="votes.json: ") as told:
        load_votes(path)
    assert words in str(told.value) and "\n" not in str(told.value)


def test_the_studio_takes_and_gives_votes():
    "As the page sends them, and as a cell sets them; what is no vote is refused."
    beats = ballot(3)
    studio = Studio(ballot=beats)
    assert studio.beat == beats["beat 1"] and studio.votes == []
    seen = []
    studio.observe(lambda change: seen.append(change.new), "votes")
    studio.set_state(dict(votes=[dict(classes=[0, 9] * 16, liked=True)]))
    assert seen == [[Vote(Beat.from_classes([0, 9] * 16), True)]]
    studio.votes = [(GROOVES["rock"], False)]
    rock = GROOVES["rock"].classes().tolist()
    assert studio.get_state("votes") == {"votes": [dict(classes=rock, liked=False)]}
    with pytest.raises(ValueError, match="True or False, not 'yes'"):
        studio.votes = [(GROOVES["rock"], "yes")]
    assert [vote.liked for vote in studio.votes] == [False]


# The fit


def test_features_by_hand():
    beat = np.array([[0, 9, 6, 9, 1, 9, 6, 9] * 4])  # a bass, two hats, a snare in half a bar
    by_hand = dict.fromkeys(FEATURES, 0.0) | {
        "density": 0.5,
        "share of Bass": 0.25,
        "share of Snare": 0.25,
        "share of Closed Hi-Hat": 0.5,
        "backbeat": 1.0,
        "downbeat": 1.0,
        "timekeeping": 1.0,
        "bar repetition": 1.0,
        "run length": 1.0,
    }
    assert dict(zip(FEATURES, features(beat)[0])) == by_hand


def by_another_optimiser(x, answers, strength, pairs) -> np.ndarray:
    "The most likely weights, and bias, less the price of large weights, as textbooks write it."

    def price(w):
        margins = np.where(answers, 1, -1) * (x @ w[:-1] + (0 if pairs else w[-1]))
        return w[:-1] @ w[:-1] / 2 + strength * np.logaddexp(0, -margins).sum()

    return minimize(price, np.zeros(x.shape[1] + 1), tol=1e-9).x


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("strength", STRENGTHS[1::2])
def test_weights_are_those_of_another_optimiser(pairs, strength):
    "Logistic regression of thumbs; Bradley and Terry, P(a over b) = 1 / (1 + exp(-w.(a - b)))."
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    answers = np.ones(40, bool) if pairs else x[:, 0] + rng.normal(size=40) > 0.3
    if pairs:
        x *= np.where(rng.random(40) < 1 / (1 + np.exp(-x[:, :1].T)), 1, -1).T
    model = _fitted(pairs, x, answers, strength)
    found = np.append(model.coef_[0], model.intercept_)
    np.testing.assert_allclose(found, by_another_optimiser(x, answers, strength, pairs), atol=2e-3)


def test_a_known_listener_is_found(taste):
    "On new beats: 60 thumbs, 240 thumbs, 60 pairs; the sign of what counts, and its rank."
    new = played(500, 99)
    truth = ride_and_toms(new)
    more = heard(240, 1)
    two = np.split(heard(120, 2), 2)
    better = ride_and_toms(two[0]) > ride_and_toms(two[1])
    pairs = [(a, b) if first else (b, a) for a, b, first in zip(*two, better)]
    for fit, least in (
        (taste, 0.6),
        (taste_of(thumbs(more, 1)), 0.8),
        (taste_of_pairs(pairs), 0.7),
    ):
        assert spearmanr(fit.worth(new), truth)[0] > least
        weight = fit.weights["weight"]
        assert weight["share of Snare"] < 0 < weight["share of Ride Cymbal"]
        tested = fit.tested
        assert tested["low"] < tested["accuracy"] < tested["high"]
        assert tested["accuracy"] > tested["guessing"]


def test_a_coin_is_not_foretold():
    "Answers by lot: of the votes left out about half are foretold, whatever penalty was chosen."
    accuracy = []
    for seed in range(4):
        coin = np.random.default_rng(seed).permutation(40) < 20
        accuracy.append(taste_of(zip(heard(40, seed), coin)).tested["accuracy"])
    assert abs(np.mean(accuracy) - 0.5) < 0.16  # four standard errors of 160 answers


def test_votes_for_a_beat_stay_together():
    "In every heap there is something that the fit to the others has not heard."
    rng = np.random.default_rng(0)
    ranking = np.array(pairs_of(range(12)))
    thrice = rng.integers(10, size=(30, 1))
    for about, answers in ((ranking, np.ones(66, bool)), (thrice, rng.random(30) < 0.5)):
        seen = np.zeros(len(about), bool)
        for test in _folds(5, answers, about, 0):
            known = set(about[~test].ravel())
            assert all(set(vote) - known for vote in about[test].tolist())
            seen |= test
        assert seen.all()


def test_a_ranking_is_its_pairs():
    assert pairs_of("abc") == [("a", "b"), ("a", "c"), ("b", "c")]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: taste_of([]),
            "likes of 3 different beats and dislikes of as many, not of 0 and 0",
        ),
        (lambda: taste_of([(beat, True) for beat in heard(8, 0)]), "not of 8 and 0: go on voting"),
        (lambda: taste_of([(heard(1, 0)[0], 1)]), "True or False, not 1"),
        (lambda: taste_of_pairs([]), "needs 6 or more pairs"),
        (lambda: taste_of_pairs([heard(3, 0)] * 9), "pairs (better, worse)"),
    ],
)
def test_too_few_answers_say_so(make, words):
    with pytest.raises(ValueError) as told:
        make()
    assert words in str(told.value)


# The reward


def test_it_pays_at_the_last_step_alone(taste):
    "The same for all ten actions as for the finished beats, whose worth it is."
    check_reward(taste)
    beats = torch.from_numpy(played(20, 7)).long()
    for t in range(33):
        scores = taste.scores(beats[:, :t])
        assert scores.shape == (20, 10) and bool(scores.any()) == (t == 31)
    paid = step_rewards(taste, beats)
    assert not paid[:, :31].any()
    scores = taste.scores(beats[:, :31]).gather(1, beats[:, 31:])[:, 0]
    assert torch.allclose(paid[:, 31], scores)
    worth = standardised(beats.numpy(), *real_features()) @ taste.weight
    assert np.allclose(paid[:, 31], worth, atol=1e-5)
    parts = (2 * taste).parts(Beat.from_classes(beats[0].numpy()))
    assert np.isclose(parts["taste"].iloc[-1], 2 * worth[0], atol=1e-5)


def test_worth_and_chance(taste):
    "Worth has a width of 1 among real clips; the chance is that of the logistic regression."
    real = load_clips(split="train", verbose=False).classes
    assert np.isclose(taste.worth(real).std(), 1)
    given = heard(60, 0)
    answers = np.array([liked for _, liked in thumbs(given, 0)])
    x, beats = standardised(given, *real_features()), played(20, 7)
    fits = [_fitted(False, x, answers, strength) for strength in STRENGTHS]
    new = standardised(beats, *real_features())
    chances = [fit.predict_proba(new)[:, 1] for fit in fits]
    assert any(np.allclose(taste.chance(beats), chance) for chance in chances)


def test_more_than_anybody_has_heard_earns_no_more():
    "One feature has a weight; all ride pays what three standard deviations pay."
    weight = np.array([name == "share of Ride Cymbal" for name in FEATURES], float)
    taste = Taste(weight, (0.0, 1.0), np.zeros(16), np.full(16, 0.1), {})
    assert np.allclose(taste.worth(np.array([[8] * 8 + [0] * 24, [8] * 32])), [2.5, 3.0])


def test_a_taste_is_kept(taste, tmp_path):
    taste.save(tmp_path / "taste.json")
    again = load_taste(tmp_path / "taste.json")
    assert again.weights.equals(taste.weights) and repr(again) == repr(taste)
    beats = played(20, 7)
    assert np.array_equal(again.worth(beats), taste.worth(beats))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data.update(kind="votes"), "it is no taste"),
        (lambda data: data["features"].pop("backbeat"), "its features must be density, share of"),
        (lambda data: data.update(features=[]), "its features must be density"),
        (lambda data: data["features"].update(backbeat=1), "backbeat must hold weight, mean"),
        (lambda data: data["features"]["backbeat"].update(weight="1"), "weight is '1', no number"),
        (lambda data: data["features"]["backbeat"].update(mean=True), "mean is True, no number"),
        (lambda data: data["features"]["backbeat"].update(weight=1e999), "backbeat: weight is inf"),
        (
            lambda data: data["features"]["backbeat"].update(weight=10**400),
            "backbeat: weight is 1000",
        ),
        (lambda data: data["features"]["backbeat"].update(spread=0), "a spread must be above 0"),
        (lambda data: data.pop("odds"), "odds must hold at 0, for 1 more"),
        (lambda data: data["tested"].pop("low"), "tested must hold votes, accuracy"),
    ],
)
def test_a_file_that_is_no_taste_says_why(taste, tmp_path, change, words):
    path = taste.save(tmp_path / "taste.json")
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match="taste.json: ") as told:
        load_taste(path)
    assert words in str(told.value) and "\n" not in str(told.value)
