"""Percussion theory: rules that a person can count, high where they should be, hard to game."""

import numpy as np
import pytest
import torch

from drum_qtuner import percussion
from drum_qtuner.beat import REST
from drum_qtuner.grooves import GROOVES
from drum_qtuner.intervals import groups, interval
from drum_qtuner.percussion import percussion_theory
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.rewards import check_reward, earned, step_rewards

RULES = {
    name.replace("_", " "): getattr(percussion, name)
    for name in "backbeat downbeat timekeeping fill crash repetition density long_runs".split()
}
TOMS, CYMBALS = (2, 3, 4), (5, 6, 8)
LAST_BEAT = range(28, 32)


def between(count, enough, most=None, none=None):
    "What a count is worth, by the words of the lesson."
    if count < enough:
        return count / enough
    return 1 if most is None or count <= most else (none - count) / (none - most)


def steady(c, i):
    "A cymbal that goes on from two steps before or, if there was none, from four or eight."
    if i >= 2 and c[i - 2] in CYMBALS:
        return c[i] == c[i - 2]
    return any(i >= back and c[i] == c[i - back] for back in (4, 8))


def crash_is_in_place(c, i):
    return i == 0 or (i == 16 and (c[14] in TOMS or c[15] in TOMS))


def is_long(c, i):
    "The fourth time the same drum, the fifth rest in a row, or a later one."
    run = 5 if c[i] == REST else 4
    return i >= run - 1 and len(set(c[i - run + 1 : i + 1])) == 1


# The number of two bars, counted with a pencil: a list of 32 classes to a number.
BY_HAND = {
    "backbeat": lambda c: (
        sum(c[i] == 1 for i in (4, 12, 20, 28)) / 4
        - sum(c[i] == 1 for i in range(32) if i % 8 != 4) / 28
    ),
    "downbeat": lambda c: (
        sum(c[i] == 0 for i in (0, 8, 16, 24)) / 4 - sum(c[i] == 0 for i in range(32) if i % 8) / 28
    ),
    "timekeeping": lambda c: between(
        sum(1 if steady(c, i) else -0.5 for i in range(32) if c[i] in CYMBALS), 8, 24, 28
    ),
    "fill": lambda c: between(
        sum(c[i] in TOMS for i in LAST_BEAT) - sum(c[i] in TOMS for i in range(24)) / 4, 3
    ),
    "crash": lambda c: between(
        sum(1 if crash_is_in_place(c, i) else -0.25 for i in range(32) if c[i] == 7), 2
    ),
    "repetition": lambda c: between(sum(c[i] == c[i + 16] for i in range(16)), 12, 12, 14),
    "density": lambda c: between(32 - c.count(REST), 16, 28, 32),
    "long runs": lambda c: -sum(is_long(c, i) for i in range(32)) / 16,
}


def classes_of(beats) -> torch.Tensor:
    return torch.tensor(np.array([beat.classes() for beat in beats])).long()


def drawn(n, length, seed=0):
    "Random steps, each as long as `length` says repeated: loops of that length."
    steps = torch.randint(10, (n, length), generator=torch.Generator().manual_seed(seed))
    return steps.repeat(1, 32 // length)


def numbers(rule, classes):
    return step_rewards(rule, classes).sum(1).numpy()


@pytest.fixture(scope="module")
def real():
    clips = load_clips(split="validation", verbose=False)
    return torch.from_numpy(clips.classes).long(), groups(clips)


@pytest.mark.parametrize("name", RULES)
def test_a_person_can_count_it(name, real):
    "Textbook grooves, real clips, few sounds and many."
    few = torch.randint(8, 10, (100, 32), generator=torch.Generator().manual_seed(1))
    beats = torch.cat([classes_of(GROOVES.values()), real[0][::10], few, drawn(100, 32)])
    expected = [BY_HAND[name](beat) for beat in beats.tolist()]
    np.testing.assert_allclose(numbers(RULES[name], beats), expected, atol=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_steps_earn_what_they_change(name, real):
    "Asked at once or one beginning after the other; after two bars the count begins again."
    beats = torch.cat([real[0][:60], drawn(60, 32)]).reshape(-1, 96)
    rule = RULES[name]
    one_by_one = [earned(rule, beats[:, :t], beats[:, t]) for t in range(96)]
    torch.testing.assert_close(step_rewards(rule, beats), torch.stack(one_by_one, 1))


def test_the_sum_is_a_reward():
    assert check_reward(percussion_theory, steps=64) is percussion_theory
    assert list(percussion_theory.terms()) == list(RULES)
    weights = [weight for weight, _ in percussion_theory.terms().values()]
    np.testing.assert_allclose(weights, [0.2] * 5 + [0.4] + [0.2] * 2)
    beat = GROOVES["rock"]
    paid = percussion_theory.parts(beat).sum()
    by_hand = {name: BY_HAND[name](beat.classes().tolist()) for name in RULES}
    np.testing.assert_allclose(paid, np.multiply(weights, list(by_hand.values())), atol=1e-6)


KNOWN_FOR = {  # rule: (grooves with at least, what), (grooves with at most, what)
    "backbeat": (
        ("rock, power ballad, double bass, funk, motown, shuffle, slow blues, hip hop", 0.9),
        ("half-time rock, punk, trap, dembow, jazz swing, samba, reggae one drop, ska", 0),
    ),
    "downbeat": (
        ("rock, tom-toms, punk, disco, house, dembow, slow blues, reggae steppers", 0.85),
        ("reggae one drop, ska, songo, linear funk", 0.5),
    ),
    "timekeeping": (
        ("half-time rock, jazz swing, funk, slow blues, ska, house, reggae one drop", 0.9),
        ("tom-toms, train beat, second line, bo diddley, punk", 0),
    ),
    "fill": (("songo, tom-toms", 0.1), ("bo diddley", -0.4)),
    "crash": (("double bass", 0.5), ("rock, funk, disco", 0)),
    "repetition": (
        ("breakbeat, bossa nova, funk, trap", 0.8),
        ("punk, bo diddley, linear funk, samba, son clave, disco, house", -1),
    ),
    "density": (("rock, punk, bossa nova, slow blues", 1), ("train beat, samba, bo diddley", 0)),
    "long runs": (("rock, funk, jazz swing, disco", 0), ("double bass, second line", -0.5)),
}


@pytest.mark.parametrize("name", RULES)
def test_high_where_a_groove_is_known_for_it(name):
    (high, at_least), (low, at_most) = KNOWN_FOR[name]
    beats = {
        names: classes_of(GROOVES[groove] for groove in names.split(", ")) for names in (high, low)
    }
    assert (numbers(RULES[name], beats[high]) >= at_least - 1e-6).all()
    assert (numbers(RULES[name], beats[low]) <= at_most + 1e-6).all()


def above(one, other) -> float:
    "How often the first is higher: the area under the curve, a tie is half."
    return (one[:, None] > other).mean() + (one[:, None] == other).mean() / 2


def sets(real):
    "What is not a beat, and the least share of pairs in which a real clip is paid better."
    return {
        "random": (drawn(1000, 32), 0.85),
        "bar one looped": (real[:, :16].repeat(1, 2), 0.9),
        "half a bar looped": (real[:, :8].repeat(1, 4), 0.9),
        "a quarter looped": (real[:, :4].repeat(1, 8), 0.9),
        "four random steps looped": (drawn(500, 4), 0.9),
        "eight random steps looped": (drawn(500, 8), 0.9),
        "the same steps in another order": (real[:, torch.randperm(32)], 0.65),
        "a quarter late": (real.roll(4, 1), 0.55),
    }


@pytest.mark.parametrize("name", sets(torch.zeros(1, 32)))
def test_real_clips_are_paid_better(name, real):
    "With the interval over performances."
    torch.manual_seed(0)
    other, least = sets(real[0])[name]
    paid, others = numbers(percussion_theory, real[0]), numbers(percussion_theory, other)
    assert abs(paid.mean() - 0.5) < 0.05
    share, low, high = interval(lambda i: above(paid[i], others), real[1], draws=50)
    assert low > least, f"{share:.3f} ({low:.3f} to {high:.3f})"


CHEATS = {
    "all snare": [1],
    "all rest": [9],
    "all closed hi-hat": [6],
    "all bass drum": [0],
    "every second step a hi-hat": [6, 9],
    "snare and hi-hat on every step": [1, 6],
    "bass, hat, snare, hat": [0, 6, 1, 6],
    "round the kit": [0, 1, 2, 3, 4, 5, 6, 8],
    "toms": [2, 3, 4, 9],
}


def test_cheats_are_paid_badly(real):
    "Below nine of ten real clips; a rock beat that never changes is below most."
    paid = numbers(percussion_theory, real[0])
    beats = torch.tensor([steps * (32 // len(steps)) for steps in CHEATS.values()])
    assert numbers(percussion_theory, beats).max() < np.quantile(paid, 0.1)
    rock = torch.tensor([[0, 9, 6, 9, 1, 9, 6, 9] * 4])
    assert numbers(percussion_theory, rock)[0] < np.median(paid)


def annealed(reward, n, seed=0):
    "Beats that are paid best: Gibbs sampling of exp(number / temperature), cooled down."
    generator = torch.Generator().manual_seed(seed)
    beats = torch.randint(10, (n, 32), generator=generator)
    for temperature in np.geomspace(0.3, 0.004, 15):
        for i in torch.randperm(32, generator=generator).tolist():
            tried = beats.repeat_interleave(10, 0)
            tried[:, i] = torch.arange(10).repeat(n)
            p = (step_rewards(reward, tried).sum(1).view(n, 10) / temperature).softmax(1)
            beats[:, i] = torch.multinomial(p, 1, generator=generator)[:, 0]
    return beats


def test_what_pays_best_is_a_groove_with_a_fill():
    "Nobody who maximises the sum gets a loop, a drone, or silence; and there is no single winner."
    best = annealed(percussion_theory, 16)
    assert numbers(percussion_theory, best).min() > 1.2
    assert len({bytes(beat) for beat in best.numpy().astype(np.uint8)}) == 16
    assert ((best[:, 4::8] == 1).sum(1) >= 3).all()  # the backbeat
    assert (torch.isin(best[:, 28:], torch.tensor(TOMS)).sum(1) >= 2).all()  # a fill
    assert ((best[:, :16] == best[:, 16:]).sum(1) - 12).abs().max() <= 1  # bar two varies bar one
    strokes = (best != REST).sum(1)
    assert strokes.min() >= 14 and strokes.max() <= 29
    assert all(len(set(beat)) >= 5 for beat in best.tolist())
