"""The report of a run in a browser: what stands first, playing in turn, folds, a phone."""

import numpy as np
import pytest
from reports import report_page

from drum_qtuner.earnings import greedy_beats, step_rewards
from drum_qtuner.store import load_pretrained

PLAYING = "[...document.querySelectorAll('.dq-playing b')].map(title => title.textContent)"

NOTE_ORDER = """() => { // of the beats of the first screen that are started
  window.order = [];
  for (const figure of document.querySelectorAll("#first .dq-player")) {
    const {start} = figure.transport, title = figure.querySelector("b").textContent;
    figure.transport.start = function () {
      order.push(title);
      start.call(this);
    };
  }
}"""


def wait_until(page, condition):
    "As `page.wait_for_function`, which the page's policy forbids: it would evaluate text."
    for _ in range(500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(condition)


def test_the_first_screen_says_what_was_found(open_page):
    """One sentence and four players within 1280 x 800, then the numbers.

    What is said of the tuned network is what it plays and earns: silence, for more than people.
    """
    page = open_page(report_page(), width=1280, height=800)
    found = page.locator(".found")
    boxes = [found.bounding_box()]
    boxes += [one.bounding_box() for one in page.locator("#first .dq-player").all()]
    assert len(boxes) == 5 and all(box["y"] + box["height"] <= 800 for box in boxes)
    assert len({box["y"] for box in boxes[1:]}) == 1  # side by side
    assert page.locator("table").first.bounding_box()["y"] < 1000
    beats = greedy_beats(load_pretrained("dqn-0.1"))
    earned = step_rewards(load_pretrained("note_cnn"), beats).mean()
    assert sum((beat.velocity[1:] > 0).sum() for beat in beats) == 0
    assert f"earns −{abs(earned):.2f} nats a step: more than people drumming" in found.inner_text()
    assert "after their first sound all of its 10 beats are silent" in found.inner_text()
    assert page.get_by_text("Groove MIDI Dataset 1.0.0, seed 3").count() == 1


def test_every_line_of_the_contents_leads_somewhere(open_page):
    page = open_page(report_page())
    targets = page.locator("nav a").evaluate_all("links => links.map(link => link.hash)")
    assert len(targets) == 10 and all(page.locator(target).count() == 1 for target in targets)
    for section in page.locator("section.beats").all():
        assert section.locator("b", has_text="people-").count() >= 1


def test_play_all_plays_one_after_the_other_and_can_be_stopped(open_page):
    page = open_page(report_page())
    page.evaluate("for (const f of document.querySelectorAll('.dq-player')) f.transport.bpm = 2000")
    page.evaluate(NOTE_ORDER)
    button = page.locator("#first").get_by_role("button", name="Play all")
    button.click()
    wait_until(page, "order.length === 4 && !drumQtuner.playing")
    titles = page.locator("#first figcaption b").all_inner_texts()
    assert page.evaluate("order") == titles
    assert page.evaluate(
        "[...document.querySelectorAll('.dq-player')].every(f => f.transport.loop)"
    )
    assert page.locator("#first").get_by_role("button", name="Play all").count() == 1

    section = page.locator("#beats-2")
    page.evaluate("for (const f of document.querySelectorAll('.dq-player')) f.transport.bpm = 30")
    section.get_by_role("button", name="Play all").click()
    assert len(page.evaluate(PLAYING)) == 1
    page.mouse.wheel(0, 500)
    stop = section.get_by_role("button", name="Stop", exact=True).first
    wait_until(page, "scrollY > 0")
    assert stop.is_visible()
    stop.click()
    assert page.evaluate("drumQtuner.playing") is None and page.evaluate(PLAYING) == []


def test_another_player_ends_play_all(open_page):
    page = open_page(report_page())
    page.locator("#first").get_by_role("button", name="Play all").click()
    page.locator("#beats-1 .dq-play").first.click()
    assert page.evaluate(PLAYING) == ["people-01"]
    assert page.locator(".plays").count() == 0


def test_closing_a_fold_stops_its_sound(open_page):
    page = open_page(report_page())
    fold = page.locator("details").first
    fold.locator("summary").click()
    fold.locator(".dq-play").first.click()
    assert len(page.evaluate(PLAYING)) == 1
    fold.locator("summary").click()
    wait_until(page, "drumQtuner.playing === null")
    page.locator(".dq-play").first.click()
    fold.locator("summary").click()
    fold.locator("summary").click()
    page.wait_for_timeout(100)
    assert page.evaluate("drumQtuner.playing !== null")  # what sounds elsewhere goes on


def test_a_fold_that_is_closed_takes_no_turn(open_page):
    page = open_page(report_page())
    section = page.locator("section.beats:has(details)").first
    summary, plays = section.locator("summary"), section.get_by_role("button", name="Play all")
    summary.click()
    plays.click()
    summary.click()
    page.evaluate("for (const f of document.querySelectorAll('.dq-player')) f.transport.bpm = 2000")
    page.evaluate("window.order = []")
    page.evaluate(NOTE_ORDER.replace("#first", "details"))
    wait_until(page, "!drumQtuner.playing")
    assert page.evaluate("order") == []


def test_rows_stand_beside_their_names(open_page):
    page = open_page(report_page())
    for one in page.locator(".dq-player:visible").all()[:5]:
        names, rows = one.locator(".dq-names"), one.locator("img")
        ends = [box["y"] + box["height"] for box in (names.bounding_box(), rows.bounding_box())]
        assert abs(ends[0] - ends[1]) < 1
        assert rows.evaluate("image => getComputedStyle(image).padding") == "0px"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_runs_over(open_page, width):
    page = open_page(report_page(), width=width)
    for fold in page.locator("details").all():
        fold.evaluate("fold => fold.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = page.locator("p, h1, h2, h3, button, nav a, .dq-player").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().right)"
    )
    assert np.max(right) <= width
