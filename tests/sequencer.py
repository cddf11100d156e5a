"""The studio in a browser, for all tests that click in it."""

import copy

import numpy as np
import pytest

from drum_qtuner.beat import Beat
from drum_qtuner.sound import beat_from_data

STUDIO = "document.querySelector('.dqs-studio').studio"
GRID = "() => document.querySelector('.dqs-studio').studio.beat"
HEAT = (
    "step => [...document.querySelectorAll(`[role=gridcell][data-step='${step}']`)].map(cell =>"
    " +cell.style.getPropertyValue('--p'))"
)


def half(model):
    "The model with the weights that the page has."
    model = copy.deepcopy(model)
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    return model


@pytest.fixture
def studio(open_page):
    "The studio on a known beat: bass drum on every quarter, closed hi-hat on the eighths between."

    from drum_qtuner.studio import studio_page

    known = Beat.from_classes([0, 9, 6, 9] * 8, 120)

    def open_studio(beat=known, model="note_cnn", **options):
        page = open_page(studio_page(beat=beat, model=model, **options))
        page.wait_for_selector("[data-heat]")
        return page

    return open_studio


def cell(page, step, row):
    return page.locator(f"[role=gridcell][data-step='{step}'][data-row='{row}']")


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def beat_of(page) -> Beat:
    "What the grid holds, once the models have had their say."
    page.wait_for_selector(".dqs-studio:not([aria-busy]) .dqs-grid:not([aria-busy])")
    return beat_from_data(page.evaluate(GRID))


def expected(page, step) -> np.ndarray:
    "The ten probabilities that the grid shows at a step; its rows begin with the ride cymbal."
    shown = np.square(page.evaluate(HEAT, step))
    return np.append(shown[:9][::-1], shown[9])
