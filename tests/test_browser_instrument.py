"""The studio as an instrument: hit, recorded, shaped, muted; four slots, and what comes next."""

import wave

import numpy as np
import pytest
from sequencer import STUDIO, beat_of, cell, press
from test_browser_jam import KNOWN, heard, in_grid, pass_loop, press_still, start, wait_for
from test_browser_player import stop_clock

from drum_qtuner.beat import REST, Beat
from drum_qtuner.sound import beat_data, beat_from_data, render
from drum_qtuner.studio import studio_page

EMPTY = Beat.from_classes([REST] * 32, 120)
GHOSTS = (
    "() => [...document.querySelectorAll('.dqs-ghost')]"
    ".map(({dataset: {step, row}}) => [+step, +row])"
)


@pytest.fixture
def light(studio):
    "A studio with the Note-CNN alone: it opens sooner."
    return lambda beat=KNOWN: studio(beat, models=["note_cnn"])


def playing(page) -> bool:
    return page.evaluate("!!drumQtuner.playing")


def without(beat: Beat, *drums) -> Beat:
    velocity = beat.velocity.copy()
    velocity[:, drums] = 0
    return Beat(velocity, np.where(velocity, beat.offset, 0), beat.bpm)


def play_still(page) -> float:
    "Play on the test's clock; gives the time at which the first loop begins."
    stop_clock(page)
    page.evaluate("requestAnimationFrame = () => 0")
    press_still(page, "Play")
    page.clock.run_for(200)
    return page.evaluate("drumQtuner.playing.origin")


def test_space_plays(light):
    "From nowhere, from a cell; a button that has the focus it presses."
    page = light()
    for focus in (lambda: None, lambda: cell(page, 3, 2).focus()):
        focus()
        page.keyboard.press("Space")
        assert playing(page)
        page.keyboard.press("Space")
        assert not playing(page)
    assert beat_of(page) == KNOWN
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Space")
    assert not playing(page) and beat_of(page) == EMPTY


HIT = """code => { // a key, and where the beat is before and after
    const {root, transport} = document.querySelector('.dqs-studio').studio;
    const before = transport.position();
    root.dispatchEvent(new KeyboardEvent('keydown', {code, key: code.at(-1)}));
    return [before, transport.position()];
}"""


def test_keys_hit_and_are_recorded(light):
    "On the nearest step, as early or late as they were; without recording they only sound."
    page = light(EMPTY)
    cell(page, 0, 0).focus()
    page.keyboard.press("1")
    press(page, "Play")
    page.keyboard.press("2")
    assert beat_of(page) == EMPTY and playing(page)
    page.keyboard.press("r")
    assert page.get_by_role("button", name="poly").get_attribute("aria-pressed") == "true"
    for code, drum in (("Digit1", 0), ("Digit2", 1), ("Digit9", 8)):
        page.wait_for_timeout(130)
        earliest, latest = page.evaluate(HIT, code)
        beat = in_grid(page)
        [step] = np.flatnonzero(beat.velocity[:, drum])
        assert beat.velocity[step, drum] == 100
        position = step + beat.offset[step, drum]
        assert (position - earliest + 0.06) % 32 < latest - earliest + 0.12
    page.keyboard.press("r")
    page.evaluate(HIT, "Digit5")
    assert (beat_of(page).velocity > 0).sum() == 3
    page.keyboard.press("Control+z")
    assert (beat_of(page).velocity > 0).sum() == 2


def test_keys_are_the_studios_again_after_a_pointer(light):
    "Whatever was pressed with it; who presses with keys stays where they are."
    page = light()
    normal = page.get_by_role("button", name="normal", exact=True)
    for pressed in (page.get_by_label("volume"), page.get_by_label("loop"), normal):
        pressed.click()
        page.keyboard.press("Space")
        assert playing(page)
        page.keyboard.press("Space")
        assert not playing(page)
    assert not page.get_by_label("loop").is_checked()
    normal.focus()
    page.keyboard.press("Enter")
    assert normal.evaluate("button => button.matches(':focus')")
    page.get_by_label("temperature").focus()
    page.keyboard.press("Space")
    assert playing(page)


MIDI = """() => { // a browser in which an electronic kit is plugged in
    window.access = {inputs: new Map([["1", {name: "Kit"}]])};
    Object.defineProperty(navigator, "requestMIDIAccess", {value: async () => access});
}"""
SEND = """([data, late]) => access.inputs.get("1").onmidimessage(
    {data, timeStamp: performance.now() - late})"""


def test_midi_hits_the_drum_of_its_note(light):
    "By the maps of the kit, as hard as it was hit, and where it was when the finger struck."
    page = light(EMPTY)
    page.evaluate(MIDI)
    press(page, "MIDI in")
    page.wait_for_selector("button[aria-pressed=true] >> text=MIDI in")
    origin = play_still(page)
    press_still(page, "Record")
    wanted = np.zeros((32, 9), int), np.zeros((32, 9))
    for wait, note, drum, velocity, late in [
        (1000, 38, 1, 77, 0),
        (300, 35, 0, 127, 40),
        (310, 42, 6, 1, 15),
    ]:
        page.clock.run_for(wait)
        page.evaluate(SEND, [[0x99, note, velocity], late])
        now = page.evaluate("drumQtuner.context.currentTime") - late / 1000
        position = (now - origin) * 8  # steps a second at 120 bpm
        step = round(position)
        wanted[0][step, drum], wanted[1][step, drum] = velocity, position - step
    for ignored in ([0x89, 38, 64], [0x99, 38, 0], [0xB9, 4, 90]):
        page.evaluate(SEND, [ignored, 0])
    beat = in_grid(page)
    assert np.array_equal(beat.velocity, wanted[0])
    assert np.abs(beat.offset - wanted[1]).max() < 1e-3 and np.abs(beat.offset).max() > 0.01
    page.evaluate("access.inputs.set('2', {name: 'Later'}); access.onstatechange()")
    page.evaluate("access.inputs.get('2').onmidimessage({data: [0x90, 20, 90], timeStamp: 0})")
    assert page.get_by_role("alert").inner_text() == "MIDI note 20 is no drum of this kit."


ASKED_FOR_MIDI = """() => { // and a person who takes a while to answer
    Object.assign(window, {asked: 0, access: {inputs: new Map([["1", {name: "Kit"}]])}});
    Object.defineProperty(navigator, "requestMIDIAccess", {value: () => {
        asked++;
        return new Promise(resolve => window.allow = () => resolve(access));
    }});
}"""


def test_midi_is_asked_for_once_and_let_go(light):
    "However fast one presses; an instrument asked for twice would hit twice."
    page = light()
    page.evaluate(ASKED_FOR_MIDI)
    button = page.get_by_role("button", name="MIDI in")
    button.evaluate("button => { button.click(); button.click(); }")
    assert page.evaluate("asked") == 1
    page.evaluate("allow()")
    page.wait_for_selector("button[aria-pressed=true] >> text=MIDI in")
    button.click()
    page.wait_for_selector("button[aria-pressed=false] >> text=MIDI in")
    assert page.evaluate("access.inputs.get('1').onmidimessage") is None


def test_without_midi_the_page_says_so(light):
    page = light()
    page.evaluate("Object.defineProperty(navigator, 'requestMIDIAccess', {value: undefined})")
    press(page, "MIDI in")
    assert "no Web MIDI" in page.get_by_role("alert").inner_text()


def drag(page, step, row, x, y, seen=None):
    "Drag a stroke by so many pixels; gives what is written beside it on the way."
    box = cell(page, step, row).bounding_box()
    at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*at)
    page.mouse.down()
    page.mouse.move(at[0] + x, at[1] - y, steps=4)
    told = cell(page, step, row).get_attribute("data-shape")
    page.mouse.up()
    assert cell(page, step, row).get_attribute("data-shape") is None
    return told, box["width"]


@pytest.mark.parametrize("width", [390, 1200])
def test_a_stroke_is_dragged(open_page, width):
    page = open_page(studio_page(beat=KNOWN, model="note_cnn", models=["note_cnn"]), width=width)
    page.wait_for_selector("[data-heat]")
    told, _ = drag(page, 4, 0, 3, 20)
    assert beat_of(page).velocity[4, 0] == 120 and told == "120, on the step"
    drag(page, 4, 0, 0, -300)
    assert beat_of(page).velocity[4, 0] == 1
    _, wide = drag(page, 4, 0, 8, 2)
    late = beat_of(page).offset[4, 0]
    assert abs(late - 8 / wide) < 0.06 and beat_of(page).velocity[4, 0] == 1
    told, _ = drag(page, 4, 0, -150, 0)
    assert beat_of(page).offset[4, 0] == -0.5 and "0.50 of a step early" in told
    drag(page, 4, 0, 150, 0)
    assert beat_of(page).offset[4, 0] == pytest.approx(479 / 960)
    for _ in range(5):  # each drag is one edit
        page.get_by_role("button", name="undo").click()
    assert beat_of(page) == KNOWN
    cell(page, 4, 0).click()
    assert beat_of(page).velocity[4, 0] == 0


@pytest.mark.parametrize("key", ["Control+z", "c"])
def test_a_drag_ends_where_what_it_drags_is_gone(light, key):
    "Undone, or in another slot: nothing appears there out of nothing."
    page = light(EMPTY)
    cell(page, 4, 0).click()
    box = cell(page, 4, 0).bounding_box()
    page.mouse.move(box["x"] + 9, box["y"] + 9)
    page.mouse.down()
    page.mouse.move(box["x"] + 9, box["y"] - 9, steps=3)
    page.keyboard.press(key)
    assert beat_of(page) == EMPTY
    page.mouse.move(box["x"] + 9, box["y"] - 29, steps=3)
    page.mouse.up()
    assert beat_of(page) == EMPTY and page.locator("[data-shape]").count() == 0


def test_a_stroke_is_shaped_by_keys(light):
    page = light()
    cell(page, 4, 0).focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(f"Shift+{key}")
    beat = beat_of(page)
    assert beat.velocity[4, 0] == 116 and beat.offset[4, 0] == 1 / 32
    label = cell(page, 4, 0).get_attribute("aria-label")
    assert label == "Bass, step 5, hard: loudness 116 of 127, 0.03 of a step late"
    for key, times in (("ArrowDown", 20), ("ArrowLeft", 20)):
        for _ in range(times):
            page.keyboard.press(f"Shift+{key}")
    beat = beat_of(page)
    assert beat.velocity[4, 0] == 1 and beat.offset[4, 0] == -0.5
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowUp")  # nothing is there
    assert beat_of(page) == beat


def test_drums_are_muted_and_heard_alone(light):
    "At once, in the file, and undone like everything else."
    page = light()
    press(page, "M: mute Closed Hi-Hat")
    with page.expect_download() as waiting:
        press(page, "WAV")
    sound = wave.open(str(waiting.value.path()))
    samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767
    assert np.abs(samples - render(without(KNOWN, 6))).max() < 1e-3
    assert beat_of(page) == KNOWN
    origin = play_still(page)
    page.clock.run_for(4000)
    starts = np.sort(page.evaluate("starts"))
    wanted = heard([without(KNOWN, 6)] * 2, origin)[: len(starts)]
    assert len(starts) >= 8 and np.abs(starts - wanted).max() < 1e-6
    page.evaluate(f"() => {{ starts.length = 0; {STUDIO}.mix('soloed', 6); }}")
    page.evaluate(f"{STUDIO}.mix('muted', 6)")
    page.clock.run_for(4000)
    starts = np.sort(page.evaluate("starts"))
    hat = heard([without(KNOWN, 0)] * 4, origin)
    assert len(starts) >= 7 and np.abs(starts[:, None] - hat).min(1).max() < 1e-6
    page.evaluate(f"{STUDIO}.travel(-1)")
    page.evaluate(f"{STUDIO}.travel(-1)")
    assert page.locator(".dqs-mix [aria-pressed=true]").all_inner_texts() == ["M"]
    cell(page, 0, 6).focus()
    page.keyboard.press("m")
    page.keyboard.press("s")
    assert page.locator(".dqs-mix [aria-pressed=true]").all_inner_texts() == ["S"]


def played(page, seed) -> Beat:
    "What the Note-CNN makes of the known beat, asked directly."
    options = dict(given=beat_data(KNOWN), keep=8, steps=32, bpm=120, decode="sample")
    ask = f"options => {STUDIO}.backend.generate('note_cnn', options)"
    return beat_from_data(page.evaluate(ask, options | dict(temperature=1, seed=seed)))


def in_slots(page) -> list[Beat]:
    return [beat_from_data(page.evaluate(f"{STUDIO}.state.beatOf('{key}')")) for key in "ABCD"]


def test_four_ways_on_and_a_switch_where_the_loop_ends(light):
    page = light()
    press(page, "Four")
    beat_of(page)
    beats = in_slots(page)
    assert beats == [played(page, seed) for seed in range(4)] and len(set(map(str, beats))) > 1
    assert all(np.array_equal(beat.velocity[:8], KNOWN.velocity[:8]) for beat in beats)
    assert page.get_by_label("seed").input_value() == "4"
    origin = play_still(page)
    page.clock.run_for(1000)
    page.evaluate(f"{STUDIO}.activate('C')")
    assert in_grid(page) == beats[0] and page.locator(".dqs-waits").count() == 1
    assert sorted(page.evaluate(GHOSTS)) == np.argwhere(beats[2].velocity).tolist()
    page.clock.run_for(3000)
    assert in_grid(page) == beats[2] and page.evaluate(GHOSTS) == []
    page.clock.run_for(4000)
    starts, wanted = np.sort(page.evaluate("starts")), heard([beats[0], beats[2], beats[2]], origin)
    assert len(starts) > len(heard(beats[:2], origin)) - 2
    assert np.abs(starts - wanted[: len(starts)]).max() < 1e-6
    page.evaluate(f"{STUDIO}.travel(-1)")
    assert in_grid(page) == beats[0]


def test_what_a_model_plays_is_seen_before_it_is_heard(light):
    "Go on while it plays: rings, then the beat. An edit on the way is not lost, nor is a stop."
    page = light()
    origin = play_still(page)
    press_still(page, "Let the network go on")
    wait_for(page, f"{STUDIO}.transport.next")
    coming = np.array(page.evaluate(GHOSTS))
    page.evaluate(f"() => {{ {STUDIO}.state.put(5, 1, 127); {STUDIO}.commit(); }}")
    changed = in_grid(page)
    assert changed.velocity[5, 1] == 127
    page.clock.run_for(4000)
    after = in_grid(page)
    assert after == played(page, 0)
    assert sorted(coming.tolist()) == np.argwhere(after.velocity).tolist()
    page.evaluate(f"{STUDIO}.travel(-1)")
    assert in_grid(page) == changed
    page.evaluate(f"{STUDIO}.travel(1)")
    press_still(page, "Vary")
    wait_for(page, f"{STUDIO}.transport.next")
    assert in_grid(page) == after
    press_still(page, "Stop")
    assert in_grid(page) != after and page.evaluate(GHOSTS) == []
    assert origin > 0


def test_a_jam_shows_the_loop_that_comes(light):
    page = light(KNOWN)
    start(page)
    page.clock.run_for(200)
    wait_for(page, f"{STUDIO}.transport.next")
    coming = page.evaluate(GHOSTS)
    page.evaluate(f"{STUDIO}.mix('muted', 6)")  # the transport plans anew, and still goes on
    pass_loop(page)
    assert sorted(coming) == np.argwhere(in_grid(page).velocity).tolist()
    page.evaluate(f"{STUDIO}.activate('B')")  # where the loop ends; then it jams on from there
    page.clock.run_for(4000)
    assert in_grid(page) == KNOWN and page.evaluate(f"{STUDIO}.state.active") == "B"
    pass_loop(page)
    assert in_grid(page) != KNOWN and page.evaluate(f"{STUDIO}.state.active") == "B"
    press_still(page, "Stop")
    assert page.evaluate(GHOSTS) == []


def test_the_edge_of_what_is_kept(light):
    "Dragged by its handle, over two bars, from the last step that is kept; and by keys."
    page = light()
    handle, kept = (
        page.get_by_role("slider", name="end of what is kept"),
        page.get_by_label("steps kept"),
    )

    def pull(locator, to_step, part):
        box, to = locator.bounding_box(), page.locator(f".dqs-number[data-step='{to_step}']")
        goal = to.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(goal["x"] + part * goal["width"], goal["y"] + 9, steps=5)
        page.mouse.up()
        return kept.input_value()

    assert pull(handle, 11, 0.9) == "12"
    assert pull(handle, 20, 0.1) == "20"
    assert pull(page.locator(".dqs-number[data-step='19']"), 3, 0.8) == "4"
    assert pull(handle, 0, 0.1) == "0"
    handle.focus()
    for key, now in [
        ("ArrowRight", "1"),
        ("PageUp", "17"),
        ("ArrowLeft", "16"),
        ("End", "32"),
        ("Home", "0"),
    ]:
        page.keyboard.press(key)
        assert (kept.input_value(), handle.get_attribute("aria-valuenow")) == (now, now)
    for _ in range(5):
        press(page, "undo")
    assert kept.input_value() == "0"
    press(page, "undo")
    assert kept.input_value() == "4"


def test_a_model_that_may_change_nothing_says_so(light):
    page = light()
    page.get_by_role("slider", name="end of what is kept").press("End")
    for name in ("Let the network go on", "Vary", "A/B", "Four"):
        press(page, name)
        assert beat_of(page) == KNOWN
        assert page.get_by_role("alert").inner_text().startswith("All steps are kept")
    press(page, "New")
    assert beat_of(page) != KNOWN and page.get_by_role("alert").count() == 0


def test_undo_takes_back_settings_too(studio):
    page = studio(models=["note_cnn", "dqn-0.1"])
    temperature, tempo = page.get_by_label("temperature"), page.get_by_label("tempo")
    temperature.fill("0.5")
    temperature.press("Enter")
    tempo.fill("90")
    tempo.press("Enter")
    page.get_by_label("decoding rule").select_option("argmax")
    press(page, "M: mute Snare")
    page.get_by_label("model A").select_option("dqn-0.1")
    for _ in range(5):
        press(page, "undo")
    assert page.get_by_role("button", name="undo").is_disabled()
    assert (temperature.input_value(), tempo.input_value()) == ("1", "120")
    assert page.get_by_label("decoding rule").input_value() == "sample"
    assert page.get_by_label("model A").input_value() == "note_cnn"
    assert page.locator(".dqs-mix [aria-pressed=true]").count() == 0
    for _ in range(5):
        press(page, "redo")
    assert page.get_by_label("model A").input_value() == "dqn-0.1"
    assert (temperature.input_value(), tempo.input_value()) == ("0.5", "90")


def test_on_a_phone(open_page):
    "The transport is in reach of a thumb, cells are large, the grid follows what is played."
    page = open_page(
        studio_page(beat=KNOWN, models=["note_cnn"]), width=390, height=844, has_touch=True
    )
    page.wait_for_selector("[data-heat]")
    play = page.get_by_role("button", name="Play")
    for scroll in (0, 300):
        page.evaluate(f"scrollTo(0, {scroll})")
        box = play.bounding_box()
        assert 700 < box["y"] and box["y"] + box["height"] <= 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = page.locator(".dqs-cell, .dqs-mix button, .dqs-handle:visible").evaluate_all(
        "all => all.map(({offsetWidth: x, offsetHeight: y}) => Math.min(x, y))"
    )
    assert min(sizes) >= 24
    cell(page, 2, 1).tap()
    assert beat_of(page).classes()[2] == 1
    assert page.evaluate("document.querySelector('.dqs-grid').scrollLeft") == 0
    page.evaluate(f"{STUDIO}.grid.light(16)")
    left = cell(page, 16, 0).bounding_box()["x"]
    assert 30 < left < 120
    page.keyboard.press("?")
    assert page.get_by_text("four ways on").is_visible()


def swipe(page, step, row, x, y):
    "A finger that goes so many pixels over the glass, from the middle of a cell."
    box, touch = cell(page, step, row).bounding_box(), page.context.new_cdp_session(page)
    at = dict(x=box["x"] + box["width"] / 2, y=box["y"] + box["height"] / 2)

    def send(kind, *points):
        touch.send("Input.dispatchTouchEvent", dict(type=kind, touchPoints=points))

    send("touchStart", at)
    for i in range(1, 9):
        send("touchMove", dict(x=at["x"] + x * i / 8, y=at["y"] - y * i / 8))
    send("touchEnd")


def test_a_finger_scrolls_the_grid_and_paints_nothing(open_page):
    "Where it begins on a stroke it makes that louder."
    page = open_page(
        studio_page(beat=KNOWN, models=["note_cnn"]), width=390, height=844, has_touch=True
    )
    page.wait_for_selector("[data-heat]")
    swipe(page, 4, 0, 0, 24)
    louder = beat_of(page)
    assert louder.velocity[4, 0] == 124
    swipe(page, 6, 7, -150, 0)
    page.wait_for_function("document.querySelector('.dqs-grid').scrollLeft > 50")
    assert beat_of(page) == louder
