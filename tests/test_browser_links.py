"""Links that bring a beat along, and what a studio keeps when its page is loaded anew."""

import random

import numpy as np
import pytest
from browser import PAGE
from sequencer import STUDIO, beat_of, cell, press
from test_browser_studio import human

from drum_qtuner.beat import Beat
from drum_qtuner.studio import HOME, studio_page
from drum_qtuner.web import page as web_page

KNOWN = Beat.from_classes([0, 9, 6, 9, 1, 6, 9, 6] * 4, 120)
MODELS = ["note_cnn", "dqn-0.1"]


@pytest.fixture
def opened(open_page):
    "A page with two light models."

    def open_studio(beat=KNOWN, **options):
        page = open_page(studio_page(beat=beat, models=MODELS, **options))
        page.wait_for_selector("[data-heat]")
        return page

    return open_studio


def link(page) -> str:
    press(page, "Remix this")
    return page.get_by_label("link to this beat").input_value()


def follow(page, address):
    "Into the address line of a studio that is open."
    page.evaluate(
        """address => new Promise(then => {
        addEventListener("hashchange", then, {once: true});
        location.href = address;
    })""",
        address,
    )


def told(page) -> str:
    alert = page.locator(".dqs-alert")
    return alert.inner_text() if alert.is_visible() else ""


def whole(page) -> str:
    "All that the studio is about to play."
    fields = "bpm, primer, active, swing, poly, settings, slot: {model}, held, muted, soloed"
    return page.evaluate(
        f"""() => {{
        const {{beat: {{notes}}, {fields}}} = {STUDIO}.state, sets = [held, muted, soloed];
        return JSON.stringify([notes, bpm, primer, active, swing, poly, settings, model,
            sets.map(set => [...set])]);
    }}"""
    )


def test_a_plain_beat_is_a_short_link(opened):
    page = opened()
    text = link(page)
    assert text == f"{PAGE}#beat={'09691696' * 4}&bpm=120&model=note_cnn"
    assert len(text.removeprefix(PAGE)) <= 62


def set_everything(page):
    page.get_by_label("tempo").fill("97.5")
    page.get_by_label("swing").fill("40")
    page.get_by_label("temperature").fill("0.8")
    page.get_by_label("seed").fill("12")
    page.get_by_label("steps kept").fill("5")
    page.get_by_label("model A").select_option("dqn-0.1")
    press(page, "M: mute Snare")
    press(page, "S: Closed Hi-Hat alone")


@pytest.mark.parametrize("beat", [KNOWN, human(256)], ids=["plain", "16 bars with feel"])
def test_a_link_brings_back_all_of_it(opened, beat):
    "In another page, and undone there like any other edit."
    page = opened(beat)
    set_everything(page)
    text, before = link(page), whole(page)
    other = opened()
    start = beat_of(other)
    follow(other, text)
    assert whole(other) == before and told(other) == ""
    assert np.array_equal(beat_of(other).velocity, beat.velocity)
    press(other, "undo")
    assert beat_of(other) == start


def test_a_page_keeps_what_is_there(opened):
    "On reload: all slots and settings, after a link too; another link comes before it."
    page = opened()
    first = link(page)
    set_everything(page)
    cell(page, 3, 2).click()
    page.keyboard.press("c")
    cell(page, 5, 1).click()
    before = whole(page)
    page.reload()
    page.wait_for_selector("[data-heat]")
    assert whole(page) == before
    page.keyboard.press("a")
    assert beat_of(page).velocity[3, 2] == 100
    follow(page, first)
    assert beat_of(page) == KNOWN
    cell(page, 7, 7).click()
    edited = beat_of(page)
    page.reload()
    page.wait_for_selector("[data-heat]")
    assert page.url == first and beat_of(page) == edited
    page.goto("about:blank")
    page.goto(first.replace("bpm=120", "bpm=90"))
    page.wait_for_selector("[data-heat]")
    assert beat_of(page) == Beat.from_classes(KNOWN.classes(), 90)


def test_what_was_kept_for_another_beat_or_is_damaged_stays_away(opened):
    page = opened()
    cell(page, 3, 2).click()
    page.evaluate("for (const name in localStorage) localStorage[name] = '{\"first\": '")
    page.reload()
    page.wait_for_selector("[data-heat]")
    assert told(page) == "What this page had kept is damaged; it begins anew."
    assert beat_of(page) == KNOWN
    cell(page, 3, 2).click()
    page.evaluate(
        "for (const [name, kept] of Object.entries(localStorage))"
        " localStorage[name] = kept.replace('bpm=120', 'bpm=121')"
    )
    page.reload()
    page.wait_for_selector("[data-heat]")
    assert beat_of(page) == KNOWN and told(page) == ""


DAMAGED = {
    "": "1 to 16 whole bars",
    "0123": "1 to 16 whole bars",
    "9" * 16 * 17: "1 to 16 whole bars",
    "<b>x</b>": "what no beat holds",
    "x": "what no beat holds",
    "xAQ": "cut short",
    "x____": "1 to 16 whole bars",
    "9" * 16 + "&bpm=1e9": "its bpm is not a number from 10 to 1000",
    "9" * 16 + "&bpm=-1": "its bpm is not",
    "9" * 16 + "&keep=17": "its keep is not a number from 0 to 16",
    "9" * 16 + "&hold=9": "no drums of the kit",
    "9" * 16 + "&decode=<b>": "its way to play is unknown",
}


def test_a_damaged_link_is_one_sentence_and_an_empty_grid(opened):
    page = opened()
    for text, words in DAMAGED.items():
        follow(page, f"{PAGE}#beat=0{'9' * 31}&bpm=120")
        assert told(page) == ""
        follow(page, f"{PAGE}#beat={text}")
        sentence = told(page)
        assert sentence.startswith("This link is damaged: ") and words in sentence
        assert not beat_of(page).velocity.any()
    cell(page, 0, 0).click()
    assert told(page) == "" and beat_of(page).velocity.any()


def test_a_model_that_is_not_here(opened):
    page = opened()
    follow(page, f"{PAGE}#beat={'19' * 16}&bpm=120&model=<b>mine</b>")
    assert told(page) == "This page has no model <b>mine</b>; note_cnn plays."
    assert beat_of(page) == Beat.from_classes([1, 9] * 16) and page.locator("b").count() == 0
    follow(page, f"{PAGE}#a-heading")
    assert beat_of(page) == Beat.from_classes([1, 9] * 16)


def test_no_link_whatever_it_says_breaks_the_studio(opened):
    "Three hundred links with letters changed, lost and doubled: a beat, or that one sentence."
    page = opened(human())
    good, rng = link(page).split("#")[1], random.Random(0)
    texts = []
    for _ in range(300):
        letters = list(good)
        for _ in range(rng.randrange(1, 6)):
            i = rng.randrange(len(letters))
            letters[i : i + rng.randrange(3)] = rng.choice("0129xX&=%_-<é")
        texts.append("".join(letters))
    answers = page.evaluate(
        """texts => texts.map(text => {
        try {
            const {steps, notes, bpm, primer} = drumQtuner.link.read(text);
            const inside = notes.every(([step, drum, velocity, late]) => step < steps && drum < 9
                && velocity > 0 && velocity < 128 && late >= -480 && late < 480);
            return inside && bpm >= 10 && bpm <= 1000 && primer <= steps ? "" : "wrong";
        } catch (error) {
            return error.message;
        }
    })""",
        texts,
    )
    assert {answer.split(":")[0] for answer in answers} == {"", "This link is damaged"}


def test_where_nothing_may_be_kept(open_page):
    "In a closed frame the studio plays; its links lead to the studio of the site."
    inner = (
        studio_page(beat=KNOWN, models=["note_cnn"]).replace("&", "&amp;").replace('"', "&quot;")
    )
    frame = f'<iframe sandbox="allow-scripts" width="1100" height="900" srcdoc="{inner}"></iframe>'
    frame = open_page(web_page("Frame", frame)).frame_locator("iframe")
    frame.locator("[data-heat]").wait_for()
    frame.locator(".dqs-cell[data-step='3'][data-row='2']").click()
    frame.get_by_role("button", name="Remix this").click()
    shown = frame.get_by_label("link to this beat").input_value()
    assert shown.startswith(f"{HOME}#beat=0962169609691696")
