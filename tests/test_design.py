"""The design of a listening test: who takes part, sheets, loudness, nicknames, and the key."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyloudnorm
import pytest
from blind import SMALL, as_beat, drummed, small, some_beats
from hypothesis import given, settings
from hypothesis import strategies as st

from drum_qtuner.beat import REST, TICKS_PER_STEP, Beat
from drum_qtuner.design import Design, check_nickname, design, load_key, write_key
from drum_qtuner.preprocessing import load_clips
from drum_qtuner.sound import render


@pytest.mark.parametrize("rounds", [1, 2])
def test_each_sheet_is_balanced(rounds):
    models = {f"m{i}": some_beats(4, i) for i in range(3)}
    plan = design(models, some_beats(4, 9), beats=4, rounds=rounds, repeats=3, sheets=20)
    owner = [beat["model"] for beat in plan.beats]
    orders = set()
    for sheet in plan.sheets:
        practice, *trials = sheet
        assert {owner[i] for i in practice[:2]} == {3, 4} and practice[2] == 0  # the anchors
        again = [i for i, trial in enumerate(trials) if trial[2]]
        pairs = [[owner[i] for i in trial[:2]] for i, trial in enumerate(trials) if i not in again]
        assert len(again) == 3 and all(
            i - trials.index([second, first, 0]) >= len(trials) // 4
            for i, (first, second, _) in enumerate(trials)
            if i in again
        )
        met = pd.Series([tuple(sorted(pair)) for pair in pairs]).value_counts()
        assert len(met) == 10 and (met == rounds).all()
        first = np.bincount([pair[0] for pair in pairs], minlength=5)
        assert (first == 2 * rounds).all()
        heard = np.bincount(
            np.array([trials[i][:2] for i in range(len(trials)) if i not in again]).ravel(),
            minlength=len(owner),
        )
        for model in range(5):
            assert np.ptp(heard[[i for i in range(len(owner)) if owner[i] == model]]) <= 1 + (
                model > 2
            )  # practice took one
        orders.add(str(sheet))
    assert len(orders) == 20


def test_same_seed_same_test_whatever_the_process():
    code = "import blind; print(blind.small().test)"
    there = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=dict(os.environ, PYTHONHASHSEED="7"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == SMALL.test != small(seed=1).test


def beats_of(test: Design, name: str) -> list[Beat]:
    return [as_beat(told) for told in test.beats if test.models[told["model"]] == name]


def test_a_drummer_is_heard_as_played_at_the_tempo_of_all():
    test = small(human=[drummed()] * 3)
    assert not test.mono and {told["bpm"] for told in test.beats} == {480}
    assert beats_of(test, "human") == [Beat(drummed().velocity, drummed().offset, 480)] * 3
    assert {note[2] for told in test.beats for note in told["notes"]} == {20, 90, 100}
    strokes = [note for told in test.beats if told["model"] == 3 for note in told["notes"]]
    assert len(strokes) == 3 * 17 and {note[3] for note in strokes} == {round(0.2 * TICKS_PER_STEP)}


def test_flattened_every_beat_is_one_voice_one_tempo_and_one_touch():
    test = small(human=[drummed()] * 3, mono=True)
    assert test.mono and {told["bpm"] for told in test.beats} == {480}
    assert {note[2] for told in test.beats for note in told["notes"]} == {100}
    assert {note[3] for told in test.beats for note in told["notes"]} == {0}
    assert beats_of(test, "human") == [Beat.from_classes(drummed().classes(), 480)] * 3
    own = [sorted(map(str, beats_of(t, "secret one"))) for t in (test, small())]
    assert own[0] == own[1]  # a model of one voice loses nothing


def test_drummers_of_the_data_keep_their_touch_and_their_origin():
    clips = load_clips(split="validation", verbose=False)
    one = [Beat.from_classes([0] * 32)]
    test = design({"a": one}, clips, beats=4, sheets=1)
    played = {
        beat.velocity.tobytes() + beat.offset.tobytes()
        for beat in map(clips.__getitem__, range(len(clips)))
    }
    assert all(
        beat.velocity.tobytes() + beat.offset.tobytes() in played
        for beat in beats_of(test, "human")
    )
    assert max((beat.velocity > 0).sum(1).max() for beat in beats_of(test, "human")) > 1
    assert set(test.origin) == {"name", "kind", "licence", "hash"}
    assert design({"a": one}, beats=4, sheets=1) == test  # they are those that none means
    assert design({"a": one}, one, beats=1, sheets=1).origin is None
    with pytest.raises(ValueError, match="human: 9999 beats are wanted"):
        design({"a": one}, clips, beats=9999)


def test_all_beats_are_equally_loud():
    quiet = Beat.from_classes([7] + [REST] * 15)
    test = design(
        {"silence and one": [Beat.from_classes([REST] * 16), quiet], "many": some_beats(2, 0)},
        [drummed(), *some_beats(1, 1)],
        beats=2,
    )
    levels = []
    for told in test.beats:
        sound = told["gain"] * render(as_beat(told)).astype(float)
        assert np.abs(sound).max() <= 1
        if sound.any():
            levels.append(pyloudnorm.Meter(44_100).integrated_loudness(sound))
        else:
            assert told["gain"] == 1
    assert len(levels) == 7 and np.ptp(levels) < 0.01


def test_all_beats_are_equally_long():
    assert {beat["steps"] for beat in SMALL.beats} == {16}
    with pytest.raises(ValueError, match="these have 16, 32 steps"):
        small(human=[Beat.from_classes([0] * 32)])


def test_bad_designs_are_refused_with_a_reason():
    for wrong, reason in (
        (dict(models={}), "at least one"),
        (dict(models=some_beats(1, 0)), "models is a dict"),
        (dict(models={"random": some_beats(1, 0)}), "taken by the anchors"),
        (dict(models={"a": []}), "a: give a model"),
        (dict(models={"a": [1]}), "a: give a model"),
        (dict(rounds=0), "at least 1"),
        (dict(repeats=2), "at most 1 of 3"),
        (dict(bpm=0), "bpm must be"),
    ):
        with pytest.raises(ValueError, match=reason):
            design(**dict(models={"a": some_beats(2, 0)}, human=some_beats(2, 1), beats=2) | wrong)


@given(st.text(max_size=30))
@settings(deadline=None)
def test_a_nickname_stays_in_its_folder(text):
    try:
        nickname = check_nickname(text)
    except ValueError as error:
        assert "up to 24" in str(error)
    else:
        path = Path("folder") / f"rater-{nickname}.jsonl"
        assert (
            path.parent == Path("folder")
            and nickname.isascii()
            and nickname == nickname.lower()
            and check_nickname(nickname) == nickname
        )


OLD_KEY = (
    '{"models":["a","random","human"],"beats":[{"steps":16,"bpm":100.0,"notes":[[0,0,100,0]],'
    '"id":"b000","model":0,"gain":0.5}],"sheets":[[[0,0,0]]],"ties":false}'
)


def test_a_key_from_before_dynamics_still_loads_under_its_name(tmp_path):
    path = tmp_path / "key.json"
    path.write_text(OLD_KEY)
    old = load_key(path)
    assert old.mono and old.origin is None and old.key() == OLD_KEY
    assert old.test == hashlib.sha256(OLD_KEY.encode()).hexdigest()[:12] == "0e601985e68a"
    assert write_key(old, tmp_path) == path and path.read_text() == OLD_KEY


@pytest.mark.parametrize("mono", [False, True])
def test_a_key_holds_all_that_a_test_is(tmp_path, mono):
    card = dict(name="somebody's", kind="folder", licence="not known", hash="0")
    test = dataclasses.replace(small(mono=mono), origin=card)
    read = load_key(write_key(test, tmp_path / "new"))
    assert (read.mono, read.origin, read.test, read.key()) == (mono, card, test.test, test.key())
    assert len({small().test, small(mono=True).test, test.test}) == 3
