"""The studio in a browser: its networks beside torch, clicks and keys, the widget in JupyterLab."""

import io
import json
import re
import wave

import nbformat
import numpy as np
import pytest
import torch
from helpers import midi_bytes, one_note, raw_midi, varlen
from sequencer import GRID, beat_of, cell, expected, half, press

from drum_qtuner.beat import REST, Beat
from drum_qtuner.decoding import generate
from drum_qtuner.midi import _midi_bytes
from drum_qtuner.note_cnn import new_note_cnn
from drum_qtuner.sound import render
from drum_qtuner.store import load_pretrained
from drum_qtuner.studio import HOME, all_scores, studio_page, weights_asset
from drum_qtuner.votes import Vote, load_votes


def sequences() -> list[list[int]]:
    "Beats of the Note-CNN, pure chance, nothing but rests, and more steps than a state shows."
    beats = generate(load_pretrained("note_cnn"), 4, seed=0)
    chance = np.random.default_rng(0).integers(10, size=(4, 32))
    return [
        *(beat.classes().tolist() for beat in beats),
        *chance.tolist(),
        [REST] * 32,
        chance.ravel()[:80].tolist(),
    ]


def test_networks_agree_with_torch(studio):
    names = ["note_cnn", "gru", "tuned", "dqn-0.1", "dqn-0.5"]
    page = studio()
    heard = page.evaluate(
        """([asset, sequences]) => {
        const {load, all, scores, generate} = drumQtuner.network, {models} = load(asset);
        return Object.fromEntries(Object.entries(models).map(([name, model]) => [name, {
            all: sequences.map(classes => all(model, classes)),
            last: sequences.map(classes => scores(model, classes)),
            greedy: Array.from({length: 10}, (_, first) =>
                generate(model, {decode: "argmax", primer: [first]})),
        }]));
    }""",
        [weights_asset({name: load_pretrained(name) for name in names}), sequences()],
    )
    assert list(heard) == names
    for name in heard:
        full = load_pretrained(name)
        rounded = half(full)
        for classes, rows, last in zip(sequences(), heard[name]["all"], heard[name]["last"]):
            assert np.abs(np.array(rows) - all_scores(rounded, classes)).max() <= 1e-4, name
            assert np.abs(np.array(rows) - all_scores(full, classes)).max() <= 1e-2, name
            assert last == rows[-1], name
        greedy = generate(full, 10, decode="argmax", primer=np.arange(10)[:, None])
        assert heard[name]["greedy"] == [beat.classes().tolist() for beat in greedy], name


def test_heat_map_is_what_the_networks_say(studio):
    names = ["note_cnn", "gru", "dqn-0.1"]
    page = studio(models=names)
    for name in names:
        page.get_by_label("model A").select_option(name)
        page.wait_for_selector(f"[data-heat='{name}']")
        rows = all_scores(half(load_pretrained(name)), beat_of(page).classes())
        for step in (0, 1, 13, 31):
            assert (
                np.abs(expected(page, step) - torch.tensor(rows[step]).softmax(0).numpy()).max()
                < 0.002
            ), (name, step)
    assert "not probabilities" in page.locator(".dqs-legend").inner_text()


def test_a_click_edits_and_what_follows_is_expected_anew(studio):
    page = studio()
    before = [expected(page, step) for step in range(32)]
    cell(page, 4, 1).click()  # a snare instead of the bass drum: one sound a step
    beat = beat_of(page)
    assert (
        beat.classes()[4] == 1 and (beat.velocity[4] > 0).sum() == 1 and beat.velocity[4, 1] == 100
    )
    after = [expected(page, step) for step in range(32)]
    for step in range(32):
        assert np.allclose(before[step], after[step]) == (step <= 4), step
    cell(page, 4, 1).click()
    assert beat_of(page).classes()[4] == REST


def test_a_drag_paints_or_erases(studio):
    page = studio(Beat.from_classes([REST] * 32))

    def drag(row, start, end):
        boxes = [cell(page, step, row).bounding_box() for step in (start, end)]
        (x, y), (to_x, to_y) = [
            (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes
        ]
        (
            page.mouse.move(x, y),
            page.mouse.down(),
            page.mouse.move(to_x, to_y, steps=3),
            page.mouse.up(),
        )

    drag(6, 2, 9)
    assert np.flatnonzero(beat_of(page).velocity[:, 6]).tolist() == list(range(2, 10))
    press(page, "erase")
    drag(6, 5, 7)
    assert np.flatnonzero(beat_of(page).velocity[:, 6]).tolist() == [2, 3, 4, 8, 9]
    press(page, "undo")  # a drag is one edit
    assert np.flatnonzero(beat_of(page).velocity[:, 6]).tolist() == list(range(2, 10))


def test_poly_keeps_all_sounds_and_says_what_the_model_hears(studio):
    page = studio(Beat.from_classes([REST] * 32))
    press(page, "poly")
    page.get_by_role("button", name="hard").click()
    cell(page, 0, 0).click()
    page.get_by_role("button", name="soft").click()
    cell(page, 0, 7).click()
    assert (
        beat_of(page).velocity[0].tolist() == [127, 0, 0, 0, 0, 0, 0, 40, 0]
        and beat_of(page).classes()[0] == 0
    )
    assert "only the loudest" in page.locator(".dqs-legend").inner_text()
    cell(page, 0, 7).click(modifiers=["Shift"])
    assert beat_of(page).velocity[0, 7] == 100
    press(page, "mono")
    assert beat_of(page).velocity[0].tolist() == [127, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("name", ["note_cnn", "dqn-0.1"])
def test_continue_keeps_the_primer_and_is_the_greedy_beat(studio, name):
    beat = Beat.from_classes([0, 9, 6, 9, 1, 6] + [8] * 26)
    page = studio(beat, model=name)
    page.get_by_label("steps kept").fill("6")
    page.get_by_label("decoding rule").select_option("argmax")
    press(page, "Let the network go on")
    expected = generate(load_pretrained(name), 1, decode="argmax", primer=beat.classes()[:6])[0]
    assert beat_of(page) == expected


def test_new_continue_vary_and_their_seed(studio):
    page = studio()
    start = beat_of(page)

    def played(name, seed):
        page.get_by_label("seed").fill(str(seed))
        press(page, name)
        return beat_of(page)

    for name in ("Let the network go on", "Vary"):
        one = played(name, 1)
        assert np.array_equal(one.classes()[:8], start.classes()[:8]) and one != start
        press(page, "undo")
        assert beat_of(page) == start
        assert played(name, 1) == one
        press(page, "undo")
        assert played(name, 2) != one
        press(page, "undo")
    varied = played("Vary", 3).classes() != start.classes()
    assert 0 < varied.sum() < 12 and not varied[:8].any()
    assert played("New", 4) != played("New", 5)


def test_history(studio):
    page = studio(Beat.from_classes([REST] * 32))
    empty = beat_of(page)
    assert page.get_by_role("button", name="undo").is_disabled()
    cell(page, 3, 2).click()
    one = beat_of(page)
    page.keyboard.press("Enter")
    assert beat_of(page) == empty
    page.keyboard.press("Control+z")
    assert beat_of(page) == one
    page.keyboard.press("Control+z")
    assert beat_of(page) == empty
    page.keyboard.press("Control+Shift+z")
    assert beat_of(page) == one
    press(page, "Clear")
    assert beat_of(page) == empty
    press(page, "undo")
    assert beat_of(page) == one


def test_grid_by_keyboard(studio):
    page = studio(Beat.from_classes([REST] * 32))
    assert page.locator("[role=gridcell][tabindex='0']").count() == 1
    cell(page, 0, 0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    assert beat_of(page).classes()[:4].tolist() == [9, 9, 1, 9]
    label = cell(page, 2, 1).get_attribute("aria-label")
    assert (
        label.startswith("Snare, step 3, normal")
        and cell(page, 2, 1).get_attribute("aria-selected") == "true"
    )
    page.keyboard.press("Shift+Enter")
    assert beat_of(page).velocity[2, 1] == 127
    for key in ("End", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert (
        page.evaluate(
            "document.activeElement.dataset.step + ' ' + document.activeElement.dataset.row"
        )
        == "31 9"
    )
    assert page.locator("[role=gridcell][tabindex='0']").count() == 1


def test_a_and_b_play_from_the_same_primer_and_switch_while_playing(studio):
    page = studio()
    start = beat_of(page).classes()[:8]
    page.get_by_label("decoding rule").select_option("argmax")
    page.get_by_label("model B").select_option("dqn-0.1")
    press(page, "A/B")
    played = {}
    press(page, "Play")
    for key in "ba":
        page.keyboard.press(key)
        page.wait_for_selector(f".dqs-active [aria-label='model {key.upper()}']")
        played[key] = beat_of(page)
        assert page.evaluate("drumQtuner.playing.beat.notes") == [
            list(note) for note in page.evaluate(GRID)["notes"]
        ]
    for key, name in (("a", "note_cnn"), ("b", "dqn-0.1")):
        assert played[key] == generate(load_pretrained(name), 1, decode="argmax", primer=start)[0]
    page.wait_for_function("drumQtuner.playing.position() > 1")
    assert page.locator(".dqs-now:visible").count() == 1
    press(page, "Stop")
    assert page.locator(".dqs-now:visible").count() == 0 and not page.evaluate(
        "!!drumQtuner.playing"
    )


def test_primer_tempo_swing_and_bars(studio):
    page = studio()
    page.locator(".dqs-number[data-step='3']").click()
    assert page.get_by_label("steps kept").input_value() == "4"
    page.get_by_label("tempo").fill("97.5")
    page.get_by_label("tempo").press("Enter")
    page.get_by_label("swing").fill("100")
    cell(page, 1, 1).click()
    beat = beat_of(page)
    assert (
        beat.bpm == 97.5
        and np.allclose(beat.offset[1, 1], 1 / 3, atol=1e-3)
        and not beat.offset[0].any()
    )
    page.get_by_label("bars").select_option("4")
    assert beat_of(page).steps == 64 and np.array_equal(beat_of(page).velocity[:32], beat.velocity)
    press(page, "undo")
    assert beat_of(page) == beat


def test_downloads(studio):
    human = Beat.from_classes([0, 9, 6, 6, 1, 9, 6, 9] * 4, 93)
    human = Beat(human.velocity, np.where(human.velocity, 0.1, 0), 93)
    page = studio(human)

    def download(name):
        with page.expect_download() as waiting:
            press(page, name)
        assert waiting.value.suggested_filename.startswith("beat-A-note_cnn.")
        with open(waiting.value.path(), "rb") as file:
            return file.read()

    assert Beat.from_midi(download("MIDI")) == human
    sound = wave.open(io.BytesIO(download("WAV")))
    samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767
    assert sound.getframerate() == 44_100 and np.abs(samples - render(human)).max() < 1e-3


def test_long_short_and_hostile_beats(studio):
    long = Beat.from_classes(generate(load_pretrained("note_cnn"), 1, steps=256)[0].classes(), 300)
    page = studio(long)
    assert beat_of(page) == long
    cell(page, 255, 0).click()
    assert page.locator("[role=grid]").count() == 16
    page = studio(Beat.from_classes([REST] * 16, 20))
    press(page, "Let the network go on")
    assert beat_of(page).steps == 16 and beat_of(page).bpm == 20


SIZES = "all => all.map(({offsetWidth: x, offsetHeight: y}) => [x, y])"


@pytest.mark.parametrize("width", [360, 700, 1200])
def test_fits_the_page(open_page, width):
    page = open_page(studio_page(beat=Beat.from_classes([REST] * 32)), width=width, has_touch=True)
    page.wait_for_selector("[data-heat]")
    cell(page, 2, 1).tap()
    assert beat_of(page).classes()[2] == 1
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tops = [page.locator(".dqs-bar").nth(i).bounding_box()["y"] for i in (0, 1)]
    assert (tops[0] == tops[1]) == (width != 700)  # side by side, or one below the other
    sizes = page.locator(".dqs-cell").evaluate_all(SIZES)
    assert np.min(sizes) >= 24


def test_a_backend_that_fails_is_heard(studio):
    page = studio()
    page.evaluate("""() => {
        const root = document.body.appendChild(document.createElement("div"));
        const scores = async () => { throw new Error("lost my sticks"); };
        const backend = {models: [{name: "<b>mine</b>"}], scores};
        const beat = {title: "<script>", steps: 16, bpm: 100, notes: []};
        drumQtuner.studio(root, {backend, beat});
    }""")
    assert page.get_by_role("alert").inner_text() == "lost my sticks"
    assert (
        page.locator("b").count() == 0
        and "<b>mine</b>" in page.locator(".dqs-legend").last.inner_text()
    )


def human(steps=32) -> Beat:
    "Several sounds in a step, soft and loud, early and late."
    rng = np.random.default_rng(3)
    velocity = rng.integers(1, 128, size=(steps, 9)) * (rng.random((steps, 9)) < 0.25)
    return Beat(velocity, np.where(velocity, rng.integers(-400, 400, (steps, 9)) / 960, 0), 93)


def test_what_was_played_by_hand_comes_out_as_it_was(studio):
    page = studio(human())
    start = beat_of(page)
    assert start == human()
    press(page, "Let the network go on")
    after = beat_of(page)
    assert np.array_equal(after.velocity[:8], start.velocity[:8])
    assert np.array_equal(after.offset[:8], start.offset[:8])
    assert not np.array_equal(after.velocity[8:], start.velocity[8:])
    press(page, "undo")
    for seed in range(3):
        page.get_by_label("seed").fill(str(seed))
        press(page, "Vary")
        after = beat_of(page)
        changed = np.flatnonzero(after.classes() != start.classes())
        assert len(changed) and changed.min() >= 8
        same = np.delete(np.arange(32), changed)
        assert np.array_equal(after.velocity[same], start.velocity[same])
        assert np.array_equal(after.offset[same], start.offset[same])
        for step in changed:
            assert_one_stroke_moved(start, after, step)
        press(page, "undo")


def assert_one_stroke_moved(start, after, step):
    "What the model heard went to another drum, with its strength and time; the quieter ones stay."
    old, new = start.classes()[step], after.classes()[step]
    if new == REST:
        assert not after.velocity[step].any()
        return
    others = [drum for drum in range(9) if drum not in (old, new)]
    assert np.array_equal(after.velocity[step, others], start.velocity[step, others])
    if old != REST:
        assert after.velocity[step, new] == start.velocity[step, old]
        assert after.offset[step, new] == start.offset[step, old]


def changed_asset(html, change) -> str:
    "The page with other data about its models."
    data = re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1]
    asset = json.loads(data)
    change(asset["models"])
    return html.replace(data, json.dumps(asset).replace("</", "<\\/"))


def test_a_model_that_the_page_does_not_know_is_left_out_with_a_word(open_page):
    def change(cards):
        cards[1]["architecture"]["type"] = "transformer"
        cards[2]["architecture"]["outputs"] = "moods"
        cards[3]["architecture"]["channels"] = 65
        cards[4]["architecture"] = None
        cards[6]["architecture"]["outputs"] = "action value"  # which a GRU does not give

    beat = Beat.from_classes([0, 9, 6, 9] * 8, 120)
    models = ["note_cnn", "dqn-0.01", "dqn-0.05", "dqn-0.1", "dqn-0.3", "dqn-0.5", "gru"]
    page = open_page(changed_asset(studio_page(beat=beat, models=models), change))
    page.wait_for_selector("[data-heat='note_cnn']")
    told = page.locator(".dqs-legend").all_inner_texts()
    assert "dqn-0.01 is left out: this page does not know how it computes." in told
    assert any('what its outputs are ("moods")' in text for text in told)
    assert sum("is left out" in text for text in told) == 5
    options = page.get_by_label("model A").locator("option").all_inner_texts()
    assert options == ["note_cnn", "dqn-0.5"]
    page.get_by_label("model A").select_option("dqn-0.5")  # whose weights come after theirs
    page.wait_for_selector("[data-heat='dqn-0.5']")
    rows = all_scores(half(load_pretrained("dqn-0.5")), beat.classes())
    assert np.abs(expected(page, 13) - torch.tensor(rows[13]).softmax(0).numpy()).max() < 0.002


def test_where_no_model_is_known_the_page_says_why(open_page):
    def change(cards):
        for card in cards:
            card["architecture"]["type"] = "abacus"

    page = open_page(changed_asset(studio_page(models=["note_cnn"]), change))
    assert "note_cnn is left out" in page.locator(".dqs-studio").inner_text()


def test_presets(studio):
    four = Beat.from_classes([0, 9, 9, 9] * 4, 140)
    page = studio(human(), presets={"four on the floor": four, "mine": human()})
    page.get_by_label("beat", exact=True).select_option("four on the floor")
    assert beat_of(page) == four
    press(page, "undo")
    assert beat_of(page) == human()


def test_an_error_stays_until_the_model_plays_again(studio):
    page = studio()
    page.evaluate("""() => {
        const {backend} = document.querySelector(".dqs-studio").studio, {generate} = backend;
        backend.generate = async () => {
            backend.generate = generate;
            throw new Error("lost my sticks");
        };
    }""")
    press(page, "Let the network go on")
    beat_of(page)
    assert page.get_by_role("alert").inner_text() == "lost my sticks"
    press(page, "Let the network go on")
    beat_of(page)
    assert not page.get_by_role("alert").is_visible()


BRIDGE = """async () => {
    const sent = [], heard = {}, told = [];
    const model = {send: message => sent.push(message), off: name => delete heard[name],
        on: (name, listen) => heard[name] = listen};
    const {ask, close} = drumQtuner.bridge(model, 50);
    const replies = [ask({ask: "a"}), ask({ask: "b"}), ask({ask: "c"})].map(promise =>
        promise.then(answer => told.push(answer), error => told.push(error.message)));
    heard["msg:custom"]({id: "of another view", answer: 9});
    heard["msg:custom"]({id: sent[1].id, answer: {number: 2}});
    heard["msg:custom"]({id: sent[0].id, error: "no"});
    await Promise.all(replies);
    close();
    return [sent.map(({ask}) => ask), told, Object.keys(heard)];
}"""


def test_the_bridge_keeps_questions_apart_and_does_not_wait_for_ever(studio):
    late = "Python does not answer; it may be busy with another cell."
    assert studio().evaluate(BRIDGE) == [["a", "b", "c"], [{"number": 2}, "no", late], []]


NOTEBOOK = [
    (
        "from drum_qtuner.beat import Beat\nfrom drum_qtuner.note_cnn import new_note_cnn\nfrom"
        " drum_qtuner.studio import Studio"
    ),
    (
        "studio = Studio('note_cnn', Beat.from_classes([0, 9, 6, 9] * 8), {'newborn':"
        " new_note_cnn(seed=0)})\nstudio"
    ),
    "print(studio.beat.classes().tolist(), studio.model, [vote.liked for vote in studio.votes])",
    "studio.beat = Beat.from_classes([1, 9] * 8, 90)\nstudio.model = 'newborn'",
]


@pytest.mark.xdist_group("lab")
def test_live_studio_in_jupyterlab(open_page, lab):
    from playwright.sync_api import expect

    address, folder = lab
    cells = [nbformat.v4.new_code_cell(source) for source in NOTEBOOK]
    kernel = dict(display_name="python3", language="python", name="python3")
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=dict(kernelspec=kernel)),
        folder / "studio.ipynb",
    )
    page = open_page(url=f"{address}/lab/tree/studio.ipynb?token=drums&reset")
    page.set_default_timeout(90_000)
    page.get_by_text("| Idle").wait_for()  # the status bar: a kernel is there
    code = page.locator(".jp-CodeCell")

    def run(number):
        prompt = code.nth(number).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        prompt.click()
        page.keyboard.press("Control+Enter")
        expect(prompt).not_to_have_text(before, timeout=90_000)
        expect(prompt).not_to_have_text("[*]:", timeout=90_000)
        page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached"
        )
        return code.nth(number).locator(".jp-OutputArea").inner_text().strip()

    run(0), run(1)
    page.wait_for_selector("[data-heat='note_cnn']")
    cell(page, 1, 1).click()  # from the page to the kernel
    (
        page.keyboard.press("ArrowRight"),
        page.keyboard.press("ArrowRight"),
        page.keyboard.press("Enter"),
    )
    page.wait_for_selector(".dqs-grid:not([aria-busy])")
    classes = [0, 1, 6, 1] + [0, 9, 6, 9] * 7
    rows = torch.tensor(all_scores(load_pretrained("note_cnn"), classes)).softmax(1).numpy()
    for step in (0, 4, 31):
        assert np.abs(expected(page, step) - rows[step]).max() < 0.002  # the kernel's numbers
    press(page, "Like")
    assert run(2) == f"{classes} note_cnn [True]"

    run(3)  # from the kernel to the page
    page.wait_for_selector("[data-heat='newborn'] .dqs-bar:only-child")
    assert page.get_by_label("tempo").input_value() == "90"
    struck = page.locator("[role=gridcell][aria-selected=true]:not([data-row='9'])")
    assert struck.evaluate_all(
        "cells => cells.map(cell => [+cell.dataset.step, +cell.dataset.row])"
    ) == [[step, 1] for step in range(0, 16, 2)]

    page.get_by_label("seed").fill("7")
    press(page, "Let the network go on")  # the kernel plays
    page.wait_for_selector(".dqs-studio:not([aria-busy])")
    page.wait_for_function("() => document.querySelector('[aria-label=seed]').value === '8'")
    played = generate(new_note_cnn(seed=0), 1, primer=[1, 9] * 4, steps=16, seed=7)[0]
    assert run(2) == f"{played.classes().tolist()} newborn [True]"
    press(page, "Remix this")  # a notebook is no place for others to go to
    assert page.get_by_label("link to this beat").input_value().startswith(f"{HOME}#beat=")
    assert code.count() == len(NOTEBOOK)  # the studio's keys did not reach JupyterLab


# A MIDI file on the studio

DROP = """([bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name));
  document.querySelector('.dqs-studio').dispatchEvent(
    new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


def drop(page, data: bytes, name: str = "song.mid") -> str:
    "Drop a file, wait until it is read, and give what the studio says of it."
    before = page.evaluate(GRID)
    page.evaluate(DROP, [list(data), name])
    page.wait_for_function(
        "before => JSON.stringify(document.querySelector('.dqs-studio').studio.beat) !== before"
        " || !document.querySelector('.dqs-alert').hidden",
        arg=json.dumps(before, separators=(",", ":"), ensure_ascii=False),
    )
    alert = page.locator(".dqs-alert")
    return alert.inner_text() if alert.is_visible() else ""


def files_from_elsewhere() -> dict[str, bytes]:
    "What programs write: ends that are missing or at once, other kits, clocks and tempos."
    random = np.random.default_rng(3)
    struck = random.random((48, 9)) < 0.3
    offset = random.integers(-479, 480, struck.shape) / 960
    touched = Beat(struck * random.integers(1, 128, struck.shape), offset, 97.3)
    down, junk = b"\x99\x24\x64", b"Junk\0\0\0\4abcd"
    loop = [(36, 90, t, t + 20) for t in (0, 960, 1920, 2880)]
    touched.to_midi().write(by_pretty_midi := io.BytesIO())
    return {
        "ours": _midi_bytes(touched),
        "pretty_midi": by_pretty_midi.getvalue(),
        "never off": raw_midi(b"\0" + down + (b"\x83\x60" + down) * 7 + b"\0\xff\x2f\0"),
        "off at once": raw_midi(b"\0" + down + b"\0\x24\0\x83\x60" + down[1:] + b"\0\xff\x2f\0"),
        "general midi": midi_bytes(
            [(p, 90, i * 240, i * 240 + 60) for i, p in enumerate(range(35, 66))]
        ),
        "early downbeat": midi_bytes([*loop, (36, 110, 3800, 3830)], last_tick=3840),
        "a tick late": raw_midi(b"\0" + down + b"\1\xff\x51\3\x09\x27\xc0" + b"\0\xff\x2f\0"),
        "two tracks": raw_midi(one_note(b"\0"), one_note(varlen(480))),
        "chunks": junk + midi_bytes(loop)[:14] + junk + midi_bytes(loop)[14:] + junk[:-1],
        "two quarters": midi_bytes(loop, signature="2-4"),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name, data", files_from_elsewhere().items(), ids=files_from_elsewhere())
def test_a_dropped_file_is_what_python_reads(studio, name, data):
    page = studio()
    told = drop(page, data)
    assert beat_of(page) == Beat.from_midi(data)
    assert ("did not fit the grid" in told) == (name == "early downbeat")


def test_a_file_that_cannot_be_used_says_why(studio):
    page = studio()
    before = beat_of(page)
    piano = midi_bytes([(36, 90, 0, 60)]).replace(b"\x99", b"\x90").replace(b"\x89", b"\x80")
    for data, words in [
        (b"a song", "not a MIDI file"),
        (midi_bytes([(36, 90, 0, 60)])[:-9], "cut short"),
        (piano, "notes on channel 1"),
        (midi_bytes([(36, 90, 0, 60)], signature="3-4"), "is in 3/4"),
        (midi_bytes([(90, 90, 0, 60)]), "None of the drums"),
        (b"MThd\0\0\0\6\0\0", "cut short"),
        (raw_midi(b"\0\xff\x58\0" + b"\0\x99\x24\x64"), "cut short"),
        (bytes(2**20 + 1), "over 1 MB"),
    ]:
        told = drop(page, data, "mine.mid")
        assert "mine.mid: " in told and words in told
        assert beat_of(page) == before


def test_a_file_may_hold_very_many_strokes(studio):
    page = studio()
    told = drop(page, raw_midi(b"\0\x99" + b"\x24\x64\0" * 200_000 + b"\xff\x2f\0"))
    assert "199999 of 200000 strokes did not fit the grid." in told
    assert beat_of(page) == Beat.from_classes([0, *[REST] * 15], 120)


def test_a_file_is_chosen_and_taken_back(studio):
    page = studio()
    before, long = (
        beat_of(page),
        midi_bytes([(36, 90, t, t + 60) for t in range(0, 20 * 1920, 960)]),
    )
    page.locator("input[type=file]").set_input_files(
        {"name": "long song.mid", "mimeType": "audio/midi", "buffer": long}
    )
    page.wait_for_function("() => !document.querySelector('.dqs-alert').hidden")
    assert "The first 16 of 20 bars are here." in page.locator(".dqs-alert").inner_text()
    assert (beat_of(page).velocity == Beat.from_midi(long).velocity[:256]).all()
    assert page.evaluate(GRID)["title"] == "long song"
    press(page, "undo")
    assert beat_of(page) == before


# Thumbs

LEAVE = "dispatchEvent(new Event('beforeunload', {cancelable: true}))"
BALLOT = {f"beat {i}": Beat.from_classes([i, 9, 6, 9] * 8, 110) for i in range(3)}


def voted(page) -> str:
    "How many votes the studio counts, and which thumb is pressed."
    pressed = page.locator(".dqs-votes [aria-pressed=true]").all_inner_texts()
    return " ".join([page.get_by_role("status").inner_text(), *pressed])


@pytest.mark.parametrize("width", [390, 1200])
def test_a_ballot_is_gone_through_and_saved(open_page, tmp_path, width):
    "A click, a key, the tab key; a vote brings the next beat, and the file is what was said."
    page = open_page(studio_page(models=["note_cnn"], ballot=BALLOT), width=width)
    page.wait_for_selector("[data-heat]")
    assert beat_of(page) == BALLOT["beat 0"] and voted(page) == "0 of 3 votes"
    assert page.get_by_role("button", name="Save votes").is_disabled()
    press(page, "Play")
    press(page, "Like")
    assert beat_of(page) == BALLOT["beat 1"] and voted(page) == "1 of 3 votes"
    page.wait_for_function("drumQtuner.playing?.beat.notes[0][1] === 1")  # it goes on playing
    page.keyboard.press("k")
    assert beat_of(page) == BALLOT["beat 2"] and voted(page) == "2 of 3 votes"
    page.keyboard.press("Control+z")
    assert beat_of(page) == BALLOT["beat 1"] and voted(page) == "2 of 3 votes Dislike"
    page.keyboard.press("l")  # changes the mind
    assert beat_of(page) == BALLOT["beat 2"] and voted(page) == "2 of 3 votes"
    page.get_by_role("button", name="Dislike", exact=True).focus()
    page.keyboard.press("Enter")
    assert beat_of(page) == BALLOT["beat 2"] and voted(page) == "3 of 3 votes Dislike"
    assert not page.evaluate(LEAVE)  # the browser asks before votes are lost
    with page.expect_download() as waiting:
        press(page, "Save votes")
    assert page.evaluate(LEAVE)
    saved = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(saved)
    plain = [Beat.from_classes(beat.classes()) for beat in BALLOT.values()]
    assert load_votes(saved) == [Vote(*each) for each in zip(plain, (True, True, False))]


def test_a_vote_is_taken_back_and_is_for_two_bars(studio):
    page = studio()
    press(page, "Like")
    assert voted(page) == "1 of 30 votes Like"
    press(page, "Like")
    assert voted(page) == "0 of 30 votes"
    page.get_by_label("bars").select_option("1")
    assert voted(page) == "Votes are for two bars."
    assert page.get_by_role("button", name="Like", exact=True).is_disabled()
    page.keyboard.press("l")
    page.get_by_label("bars").select_option("2")
    assert voted(page) == "0 of 30 votes"
