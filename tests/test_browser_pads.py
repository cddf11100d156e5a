"""The kit to hit, in a browser: what is hit is what sounds, as hard as it was hit."""

import numpy as np
import pytest
from browser import onsets, recorded, start_recording
from scipy.signal import resample_poly

from drum_qtuner.beat import KIT
from drum_qtuner.kit import RATE, strike
from drum_qtuner.pads import drum_pads
from drum_qtuner.web import page as web_page


@pytest.fixture
def pads(open_page):
    "A page with the pads, at the width that is asked for."

    def open_pads(width=1200):
        page = open_page(web_page("Pads", drum_pads().data), width=width)
        start_recording(page)
        return page

    return open_pads


def hits(page):
    return page.evaluate("document.querySelector('.dqp-pads').hits")


def hit(page, drum, height=0.5, wait=0):
    "Hit a pad at a height from 0 (its foot) to 1 (its head), and wait some seconds."
    box = page.locator(".dqp-pads button").nth(drum).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] * (1 - height))
    page.mouse.down()
    page.wait_for_timeout(1000 * wait)
    page.mouse.up()


def test_a_pad_sounds_like_its_drum(pads):
    page = pads()
    for drum in (0, 1, 6):
        page.evaluate("heard.length = 0")
        hit(page, drum, wait=0.5)
        (name, velocity) = hits(page)[-1]
        rate, samples = recorded(page)
        begin = round(onsets(samples, rate)[0] * rate)
        heard = samples[max(0, begin - 200) : begin + rate // 5]
        wanted = np.tanh(resample_poly(strike(drum, velocity), rate, RATE))
        likeness = np.correlate(heard, wanted[: rate // 10]).max()
        assert name == drum
        assert likeness > 0.95 * (wanted[: rate // 10] ** 2).sum()


@pytest.mark.parametrize("width", [1200, 390])
def test_higher_is_louder_and_keys_hit_too(pads, width):
    page = pads(width)
    for height in (0.1, 0.5, 0.9):
        hit(page, 2, height)
    loudness = [velocity for _, velocity in hits(page)]
    assert loudness == sorted(loudness) and loudness[0] < 30 and loudness[-1] > 100
    page.keyboard.press("Digit9")
    page.keyboard.press("Shift+Digit1")
    page.keyboard.press("Enter")
    page.keyboard.press("0")
    assert hits(page)[-3:] == [[8, 100], [0, 127], [2, 100]]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".dqp-pads button").all_inner_texts() == [
        f"{number}\n{drum.name}" for number, drum in enumerate(KIT, 1)
    ]


def test_the_closed_hi_hat_ends_the_open_one(pads):
    page = pads()

    def clock():
        return page.evaluate("drumQtuner.context.currentTime")

    def loudness(second):
        "Of 50 ms, from a time of the audio clock on, which may come late on a busy machine."
        page.wait_for_function(f"drumQtuner.context.currentTime > {second} + 0.2", timeout=60_000)
        rate, samples = recorded(page)
        part = samples[round(second * rate) :][: rate // 20]
        return rate, samples, float(np.sqrt((part**2).mean()))

    hit(page, 5, 0.9)
    rate, samples, _ = loudness(clock())
    rings = loudness(onsets(samples, rate)[0] + 0.35)[2]
    page.wait_for_timeout(1500)  # until it is still
    hit(page, 5, 0.9)
    hit(page, 6, 0.9)
    assert rings > 5 * loudness(clock() + 0.3)[2]
