"""Named grooves: the table, what every drummer knows of them, and tables that cannot be read."""

import numpy as np
import pytest

import drum_qtuner.grooves as table
from drum_qtuner.beat import KIT, Beat
from drum_qtuner.grooves import FEELS, GROOVES, STROKES, named_groove, read_grooves

BASS, SNARE, OPEN, CLOSED, RIDE = 0, 1, 5, 6, 8
STRAIGHT = [name for name, beat in GROOVES.items() if not beat.offset.any()]


def steps(name: str, drum: int, at_least: int = 1) -> list[int]:
    "The steps on which a drum sounds, two bars."
    return np.flatnonzero(named_groove(name).velocity[:, drum] >= at_least).tolist()


@pytest.mark.parametrize("name", GROOVES)
def test_every_groove_is_two_bars_that_can_be_played(name):
    beat = named_groove(name)
    assert beat is GROOVES[name] and isinstance(beat, Beat)
    assert beat.steps == 32 and 56 <= beat.bpm <= 180
    assert set(np.unique(beat.velocity)) <= set(STROKES.values())
    assert (beat.velocity[:, BASS] > 0).any() and (beat.velocity > 0).sum() >= 20
    assert not ((beat.velocity[:, OPEN] > 0) & (beat.velocity[:, CLOSED] > 0)).any()
    assert ((beat.velocity > 0).sum(1) <= 4).all()  # two hands, two feet
    assert Beat.from_midi(beat.to_midi()) == beat


def test_names_that_musicians_use():
    wanted = "rock, funk, bossa nova, shuffle, samba, jazz swing, reggae one drop, motown, disco"
    assert {*wanted.split(", "), "train beat"} <= set(GROOVES) and len(GROOVES) >= 24
    assert len({(beat.velocity.tobytes(), beat.bpm) for beat in GROOVES.values()}) == len(GROOVES)


@pytest.mark.parametrize(
    "name",
    "rock, power ballad, funk, slow blues, hip hop, motown, drum and bass, shuffle".split(", "),
)
def test_a_backbeat_on_two_and_four(name):
    assert {4, 12, 20, 28} <= set(steps(name, SNARE, 100))
    assert not {0, 8, 16, 24} & set(steps(name, SNARE, 100)) or name == "motown"


@pytest.mark.parametrize("name", ["half-time rock", "half-time shuffle", "trap", "reggae one drop"])
def test_a_single_backbeat_on_three(name):
    assert steps(name, SNARE, 100) == [8, 24]


def test_facts_of_the_drum_school():
    for name in ("disco", "house", "reggae steppers", "punk"):
        assert steps(name, BASS) == list(range(0, 32, 4))
    assert steps("reggae one drop", BASS) == [8, 24]
    assert steps("son clave", SNARE)[:5] == [0, 3, 6, 10, 12]
    assert steps("bossa nova", SNARE) == [0, 6, 12, 20, 26]
    assert steps("dembow", SNARE)[:4] == [3, 6, 11, 14]
    assert steps("disco", OPEN) == list(range(2, 32, 4))
    assert steps("train beat", SNARE, 100)[:4] == [2, 6, 10, 14]
    assert steps("second line", BASS, 100) == [28]  # the big four
    assert ((named_groove("linear funk").velocity > 0).sum(1) == 1).all()


def test_ghost_notes_are_soft():
    for name in ("funk", "linear funk", "half-time shuffle", "train beat", "second line"):
        ghosts = named_groove(name).velocity[:, SNARE] == STROKES["o"]
        assert ghosts.sum() >= 6
    assert str(named_groove("funk")).split("\n")[3].startswith("SD |....X..o.o.oX..o|")


def test_swing_is_an_offset():
    assert {"rock", "funk", "samba"} <= set(STRAIGHT)
    assert not {"hip hop", "shuffle", "jazz swing", "house", "slow blues"} & set(STRAIGHT)
    ride = named_groove("jazz swing")
    assert 7 + ride.offset[7, RIDE] == pytest.approx(4 + 8 / 3, abs=1e-3)
    assert named_groove("hip hop").offset[31, CLOSED] == pytest.approx(0.2, abs=1e-3)
    for beat in GROOVES.values():  # beats stand on the grid
        assert not beat.offset[::4].any()
    assert all(len(feel) == 4 for feel in FEELS.values())


def test_the_same_every_time():
    again = read_grooves(
        table.ROCK + table.FUNK + table.SWING + table.LATIN + table.REGGAE + table.DANCE
    )
    assert again == GROOVES
    with pytest.raises(ValueError, match="no groove 'polka'; there are: rock, .*house"):
        named_groove("polka")


def test_a_table_of_ones_own():
    mine = read_grooves("""
        my groove 90 swung
            SD |.... X... .... X...|
            BD |X... .... X... ....|X... .... x.x. ...o|
    """)
    beat = mine["my groove"]
    assert list(mine) == ["my groove"] and beat.bpm == 90
    assert np.flatnonzero(beat.velocity[:, BASS]).tolist() == [0, 8, 16, 24, 26, 31]
    assert beat.velocity[[0, 24, 31], BASS].tolist() == [114, 88, 32]
    assert beat.offset[31, BASS] == pytest.approx(0.2, abs=1e-3)
    assert not beat.velocity[:, 2 : len(KIT)].any() and read_grooves("") == {}


@pytest.mark.parametrize(
    "text, line",
    [
        ("SD |.... X... .... X...|", 1),
        ("a groove 90 straight\n\nSD |.... X... .... X..|", 3),
        ("a groove 90 straight\nSD |.... X... .... X...|....|", 2),
        ("a groove 90 straight\nSN |.... X... .... X...|", 2),
        ("a groove 90 straight\nSD |.... X... .... X..y|", 2),
        ("a groove 90 straight\nSD .... X... .... X...", 2),
        ("a groove 90 bouncy", 1),
        ("a groove fast straight", 1),
    ],
)
def test_lines_that_cannot_be_read(text, line):
    with pytest.raises(ValueError, match=f"line {line}: "):
        read_grooves(text)


def test_a_tempo_that_no_beat_has():
    with pytest.raises(ValueError, match="bpm"):
        read_grooves("a groove 9 straight\nSD |.... X... .... X...|")
