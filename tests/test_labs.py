"""The tuning lab: a press tunes a network, and shows and plays it before and after."""

import pytest

from drum_qtuner.labs import tuning_lab


@pytest.fixture
def lab():
    return tuning_lab(iterations=1_000)


def test_a_press_gives_another_answer(lab):
    first = lab.shown
    assert first.count("<tr>") == 3 and "before" in first and "after" in first
    lab.controls["epsilon"].value = 0.5
    lab.controls["beat_ends"].value = True
    lab.button.click()
    assert lab.shown != first and "epsilon 0.5" in lab.shown and "32 steps" in lab.shown
    assert lab.told.value == "done" and not lab.button.disabled


def test_the_same_settings_give_the_same_answer(lab):
    first = lab.shown
    lab.button.click()
    assert lab.shown == first


def test_a_mistake_is_told_in_words(lab):
    lab.controls["gamma"].value = 1
    lab.button.click()
    assert "give a gamma below 1" in lab.shown and "Traceback" not in lab.shown
    lab.controls["beat_ends"].value = True
    lab.button.click()
    assert "gamma 1, 32 steps" in lab.shown
