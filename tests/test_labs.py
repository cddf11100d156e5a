"""The labs: a press tunes a network, and shows and plays it before and after."""

import nbformat
import pytest

from drum_qtuner.labs import reward_lab, tuning_lab
from drum_qtuner.percussion import backbeat, percussion_theory


@pytest.fixture
def tuning():
    return tuning_lab(iterations=1_000)


def test_a_press_gives_another_answer(tuning):
    first = tuning.shown
    assert first.count("<tr>") == 3 and "before" in first and "after" in first
    tuning.controls["epsilon"].value = 0.5
    tuning.controls["beat_ends"].value = True
    tuning.button.click()
    assert tuning.shown != first and "epsilon 0.5" in tuning.shown and "32 steps" in tuning.shown
    assert tuning.told.value == "done" and not tuning.button.disabled


def test_the_same_settings_give_the_same_answer(tuning):
    first = tuning.shown
    tuning.button.click()
    assert tuning.shown == first


def test_a_mistake_is_told_in_words(tuning):
    tuning.controls["gamma"].value = 1
    tuning.button.click()
    assert "give a gamma below 1" in tuning.shown and "Traceback" not in tuning.shown
    tuning.controls["beat_ends"].value = True
    tuning.button.click()
    assert "gamma 1, 32 steps" in tuning.shown


def test_a_reward_is_tuned_for_once_and_heard_often():
    "Another beat of the same tuning is another pair below the same table."
    lab = reward_lab(percussion_theory + 2 * backbeat, updates=20)
    first, table = lab.shown, lab.shown[lab.shown.index("<table") :]
    assert table.count("<tr") == 3 and "<th>long runs</th>" in table and "<th>before</th>" in table
    lab.controls["beat"].value = 7
    lab.button.click()
    assert lab.shown != first and lab.shown.endswith(table)
    with pytest.raises(ValueError, match="a reward is an object"):
        reward_lab(len)


PLAYING = "[...document.querySelectorAll('.dq-player')].map(figure => figure.transport.playing)"


@pytest.mark.xdist_group("lab")
def test_in_a_live_jupyterlab(open_page, lab):
    "A press shows two players that play, and so does the next press."
    address, folder = lab
    sources = ["from drum_qtuner.labs import tuning_lab", "tuning_lab(iterations=1_000)"]
    kernel = dict(display_name="python3", language="python", name="python3")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources],
        metadata=dict(kernelspec=kernel),
    )
    nbformat.write(notebook, folder / "tuning.ipynb")
    page = open_page(url=f"{address}/lab/tree/tuning.ipynb?token=drums&reset")
    page.set_default_timeout(90_000)
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    page.locator(".jp-Notebook .jp-Cell").first.click()
    for _ in sources:
        page.keyboard.press("Shift+Enter")
    page.wait_for_function("document.querySelectorAll('.dq-play').length === 2")
    tune = page.get_by_role("button", name="tune", exact=True)
    for epsilon in ("0.2", "0.9"):
        number = page.locator(".widget-readout").first
        number.fill(epsilon)
        number.press("Enter")
        tune.click()
        page.get_by_text(f"Tuned with epsilon {epsilon}").wait_for()
        page.wait_for_function("document.querySelectorAll('.dq-play').length === 2")
        page.locator(".dq-play").last.click()
        assert page.evaluate(PLAYING) == [False, True]
        page.locator(".dq-play").last.click()
