"""Jam: while the loop runs the model makes the next one, and it takes over without a gap."""

import numpy as np
import pytest
from sequencer import GRID, STUDIO, beat_of, cell, press
from test_browser_player import seconds, stop_clock

from drum_qtuner.beat import Beat
from drum_qtuner.sound import beat_from_data

LOOP = 4_000  # milliseconds: two bars at 120 bpm
KNOWN = Beat.from_classes([0, 9, 6, 9] * 8, 120)


def wait_for(page, what: str):
    "Until it is so in the page, whose own clock stands still."
    page.wait_for_function(f"() => {what}", polling=20)


def start(page) -> float:
    "Jam on the test's clock; gives the time at which the first loop begins."
    stop_clock(page)
    page.evaluate("requestAnimationFrame = () => 0")
    press_still(page, "Jam")
    return page.evaluate("drumQtuner.playing.origin")


def press_still(page, name):
    "A press that does not wait for pictures."
    page.get_by_role("button", name=name, exact=True).evaluate("button => button.click()")


def pass_loop(page, milliseconds=LOOP):
    "The next loop is made, then time passes."
    wait_for(page, f"{STUDIO}.transport.next")
    page.clock.run_for(milliseconds)


def in_grid(page) -> Beat:
    return beat_from_data(page.evaluate(GRID))


def heard(beats, origin: float) -> np.ndarray:
    "When the strokes of these loops sound."
    loops = [seconds(beat) + i * LOOP / 1000 for i, beat in enumerate(beats)]
    return np.sort(np.concatenate(loops)) + origin


def test_every_loop_goes_on_from_the_one_before(studio):
    "Other strokes each time, what is kept stays, and no stroke is lost, doubled or late."
    page = studio(KNOWN)
    origin, beats = start(page), [KNOWN]
    page.clock.run_for(200)
    for _ in range(4):
        pass_loop(page)
        beats.append(in_grid(page))
    for before, after in zip(beats, beats[1:]):
        assert np.array_equal(before.velocity[:8], after.velocity[:8])
        assert not np.array_equal(before.velocity[8:], after.velocity[8:])
    starts, wanted = np.sort(page.evaluate("starts")), heard(beats, origin)
    assert len(starts) > len(heard(beats[:4], origin))
    assert np.abs(starts - wanted[: len(starts)]).max() < 1e-6
    page.evaluate(f"{STUDIO}.travel(-1)")
    assert in_grid(page) == beats[-2]
    page.evaluate(f"{STUDIO}.travel(1)")
    press_still(page, "Jam")
    page.clock.run_for(2 * LOOP)  # the last one stays, and is played again and again
    assert in_grid(page) == beats[-1] and page.evaluate("!!drumQtuner.playing")
    press_still(page, "Stop")
    assert in_grid(page) == beats[-1]


@pytest.mark.parametrize(
    "at, loops", [(1_000, 1), (3_800, 2)], ids=["in the middle", "when the next is planned"]
)
def test_what_changes_while_it_jams_is_heard_at_once(studio, at, loops):
    "The loop that was made for another beat is thrown away; one that goes on from this is made."
    page = studio(KNOWN)
    origin = start(page)
    page.clock.run_for(100)  # the first loop begins
    pass_loop(page, at)
    page.evaluate(f"""() => {{
        const {{state}} = {STUDIO};
        state.put(5, 1, 127);
        {STUDIO}.commit();
    }}""")
    changed = in_grid(page)
    assert changed.velocity[5, 1] == 127 and changed != KNOWN
    page.evaluate("starts.length = 0")
    pass_loop(
        page, loops * LOOP
    )  # a last-minute change is heard once more before the model goes on
    after = in_grid(page)
    assert after.velocity[5, 1] == 127 and after != changed  # one of the first eight steps
    now = page.evaluate("performance.now() / 1000")
    wanted = heard([changed] * loops + [after], origin)
    wanted = wanted[wanted > origin + (at + 300) / 1000]
    starts = np.sort(page.evaluate("starts"))
    starts = starts[(starts > origin + (at + 300) / 1000) & (starts < wanted[-1] + 1e-3)]
    assert len(starts) >= (wanted < now).sum()
    assert np.abs(starts - wanted[: len(starts)]).max() < 1e-6


def test_a_model_that_fails_ends_the_jam(studio):
    page = studio(KNOWN)
    page.evaluate(f"""() => {{
        {STUDIO}.backend.generate = async () => {{ throw new Error("lost my sticks"); }};
    }}""")
    press(page, "Jam")
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert alert.inner_text() == "lost my sticks"
    jam = page.get_by_role("button", name="Jam")
    assert jam.get_attribute("aria-pressed") == "false"
    assert beat_of(page) == KNOWN and page.evaluate("!!drumQtuner.playing")


def test_short_and_long_loops(studio):
    for bars in (1, 3, 16):
        page = studio(Beat.from_classes([0, 9, 6, 9] * 4 * bars, 300))
        stop_clock(page)
        press_still(page, "Jam")
        pass_loop(page, bars * 800 + 200)
        assert in_grid(page).steps == 16 * bars
        assert page.evaluate(GRID)["title"] == "note_cnn, jammed, seed 0"


def test_jam_by_key_and_for_the_ear(studio):
    "On the real clock: pressed once it plays, and the grid changes by itself."
    page = studio(Beat.from_classes([0, 9, 6, 9] * 4, 300))
    cell(page, 0, 0).focus()
    page.keyboard.press("j")
    changed = (
        "before => JSON.stringify(document.querySelector('.dqs-studio').studio.beat) !== before"
    )
    for _ in range(2):
        page.wait_for_function(changed, arg=page.evaluate(f"JSON.stringify({STUDIO}.beat)"))
    assert page.get_by_role("button", name="Jam").get_attribute("aria-pressed") == "true"
    page.keyboard.press("j")
    assert page.get_by_role("button", name="Jam").get_attribute("aria-pressed") == "false"
