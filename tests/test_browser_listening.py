"""The listening test in a browser: the page, the widget in JupyterLab, and both pooled."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pyloudnorm
import pytest
from blind import SMALL, as_beat, drummed, small
from browser import recorded, samples, start_recording

from drum_qtuner.answers import answer_line, pool
from drum_qtuner.beat import Beat
from drum_qtuner.design import design
from drum_qtuner.listening import listening_page
from drum_qtuner.preferences import counts, strengths
from drum_qtuner.sound import render

TRIALS = len(SMALL.trials("x"))
COUNT = ".dql-count"


def begin(page, nickname):
    page.get_by_label("Your nickname").fill(nickname)
    page.locator(".dql-intro").get_by_role("button", name="Start").click()
    page.wait_for_selector(".dql-trial:visible, .dql-end:visible")


def hear_both(page, keys="12"):
    for i, key in enumerate(keys):
        page.keyboard.press(key)
        page.locator(".dql-heard").nth(i).get_by_text("heard").wait_for()


def answer_all(page, choices: str, keys="12"):
    "Take the test by keyboard; `choices` has l (first), r (second) or n (none) for each trial."
    arrows = dict(l="ArrowLeft", r="ArrowRight", n="ArrowDown")
    for choice in choices:
        before = page.locator(COUNT).inner_text()
        hear_both(page, keys)
        page.keyboard.press(arrows[choice])
        page.keyboard.press("Enter")
        page.wait_for_function(
            "before => !document.querySelector('.dql-end').hidden ||"
            " document.querySelector('.dql-count').innerText !== before",
            arg=before,
        )


def saved(page, path: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save my answers").click()
    download.value.save_as(path / download.value.suggested_filename)
    return path / download.value.suggested_filename


def test_a_whole_test_on_the_page(open_page, tmp_path):
    page = open_page(listening_page(SMALL, tmp_path / "key" / "test.html"))
    begin(page, " Ann ")
    assert page.locator(COUNT).inner_text() == f"Practice, not counted; {TRIALS - 1} pairs follow"
    choices = "lrrlr"
    answer_all(page, choices)
    page.reload()  # the computer was switched off
    begin(page, "ann")
    assert page.locator(COUNT).inner_text() == f"Pair {len(choices)} of {TRIALS - 1}"
    choices += "lrlr"
    answer_all(page, choices[5:], keys="ab")
    path = saved(page, tmp_path)
    assert path.name == "rater-ann.jsonl" and path.name in page.locator(".dql-told").inner_text()
    expected = [
        answer_line(SMALL, "ann", trial, dict(l="first", r="second")[choice])
        for trial, choice in enumerate(choices)
    ]
    given = [json.loads(line) for line in path.read_text().splitlines()]
    for row, line in zip(given, expected, strict=True):
        assert row.pop("seconds") >= 2 * 0.5
        assert row == {k: v for k, v in json.loads(line).items() if k != "seconds"}
    answers, rejected = pool(path, tmp_path / "key" / "test.key.json")
    assert len(answers) == TRIALS and rejected.empty and not answers["simulated"].any()
    assert f"Look for {path.name} among your downloads" in page.get_by_role("status").inner_text()
    page.get_by_role("button", name="Next listener").click()
    begin(page, "bob")
    assert page.locator(COUNT).inner_text() == f"Practice, not counted; {TRIALS - 1} pairs follow"


def test_by_mouse_with_ties(open_page, tmp_path):
    plan = small(ties=True)
    page = open_page(listening_page(plan))
    begin(page, "cleo")
    prefer = page.get_by_role("button", name="I prefer 2")
    assert prefer.is_disabled() and page.get_by_role("button", name="Next").is_disabled()
    page.keyboard.press("ArrowRight")
    assert prefer.get_attribute("aria-pressed") == "false"  # not before both were heard
    for i in (1, 2):
        page.get_by_role("button", name=f"Beat {i}: listen").click()
        page.locator(".dql-heard").nth(i - 1).get_by_text("once").wait_for()
    page.get_by_role("button", name="Beat 1: listen again").click()
    page.get_by_role("button", name="Beat 1: stop").click()  # not to the end: does not count
    page.keyboard.press("Space")
    page.locator(".dql-heard").first.get_by_text("twice").wait_for()
    prefer.click()
    page.get_by_role("button", name="No preference").click()
    assert prefer.get_attribute("aria-pressed") == "false"
    page.get_by_role("button", name="Next").click()
    page.get_by_text("Pair 1 of").wait_for()
    row = json.loads(saved(page, tmp_path).read_text())
    assert (row["answer"], row["plays"]) == ("none", [2, 1])


def test_only_one_beat_sounds_and_a_player_stops_it(open_page):
    page = open_page(listening_page(small(bpm=40)))
    begin(page, "dora")
    page.keyboard.press("1")
    page.get_by_role("button", name="Beat 1: stop").wait_for()
    page.keyboard.press("2")
    page.get_by_role("button", name="Beat 2: stop").wait_for()
    assert page.get_by_role("button", name="stop").count() == 1
    page.evaluate(
        "beat => new drumQtuner.Transport({beat}).start()", dict(steps=16, bpm=120, notes=[])
    )
    assert page.get_by_role("button", name="stop").count() == 0


def heard_as_rendered(page, plan):
    "The page's samples of each beat are Python's."
    for told in plan.beats:
        drawn = samples(page, "D.render(x).map(y => y * x.gain)", told)
        expected = told["gain"] * render(as_beat(told))
        assert np.abs(drawn - expected).max() < 1e-5


def test_a_drummer_is_heard_with_dynamics_and_timing(open_page):
    plan = small(human=[drummed()] * 3, bpm=120, sheets=1)
    heard_as_rendered(open_page(listening_page(plan)), plan)


def test_what_is_heard_is_what_python_renders_and_equally_loud(open_page):
    soft, loud = Beat.from_classes([6, 9, 9, 9] * 8), Beat.from_classes([0, 1, 0, 1] * 8)
    plan = design({"soft": [soft], "loud": [loud]}, [soft], beats=1, bpm=400, sheets=1)
    page = open_page(listening_page(plan))
    heard_as_rendered(page, plan)
    begin(page, "emma")
    levels = []
    start_recording(page)
    for _ in range(3):
        hear_both(page)
        page.wait_for_timeout(300)
        for key in "12":
            start = page.evaluate("drumQtuner.context.currentTime")
            page.keyboard.press(key)
            page.get_by_role("button", name=f"Beat {key}: stop").wait_for()
            page.get_by_role("button", name=f"Beat {key}: listen again").wait_for()
            page.wait_for_timeout(400)
            rate, heard = recorded(page)
            levels.append(
                pyloudnorm.Meter(rate).integrated_loudness(heard[int(start * rate) :].astype(float))
            )
        page.keyboard.press("ArrowLeft"), page.keyboard.press("Enter")
        page.wait_for_timeout(100)
    assert np.ptp(levels) < 1, levels


@pytest.mark.parametrize(
    "name", ["", "../../x", "<img src=x onerror=alert(1)>", "Jürgen", "x" * 30]
)
def test_a_bad_nickname_is_refused_with_a_reason(open_page, name):
    page = open_page(listening_page(SMALL))
    page.get_by_label("Your nickname").fill(name)
    page.keyboard.press("Enter")
    assert "up to 24 letters" in page.get_by_role("alert").inner_text()
    assert page.locator("img").count() == 0 and page.evaluate("localStorage.length") == 0


FORGETFUL = {
    "forbidden": (
        "Object.defineProperty(window, 'localStorage', {get() { throw Error('forbidden') }})"
    ),
    "full": "Storage.prototype.setItem = () => { throw Error('full') }",
}


@pytest.mark.parametrize("how", FORGETFUL)
def test_where_the_browser_keeps_nothing_the_test_can_be_taken_and_says_so(
    open_page, tmp_path, how
):
    page = open_page(
        listening_page(SMALL).replace("<title>", f"<script>{FORGETFUL[how]}</script><title>", 1)
    )
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    begin(page, "finn")
    assert page.get_by_text("This browser forgets your answers").is_visible()
    answer_all(page, "lrl")
    assert len(pool(saved(page, tmp_path), SMALL)[0]) == 3
    page.reload()
    assert asked == []  # they were saved
    begin(page, "finn")
    answer_all(page, "l")
    page.reload()
    assert asked == ["beforeunload"]


def test_a_browser_that_keeps_answers_does_not_warn(open_page):
    page = open_page(listening_page(SMALL))
    page.on("dialog", lambda dialog: pytest.fail("asked"))
    begin(page, "finn")
    answer_all(page, "l")
    assert not page.get_by_text("This browser forgets your answers").is_visible()
    page.reload()


def test_two_tabs_of_one_listener_lose_nothing(open_page, tmp_path):
    page = open_page(listening_page(SMALL))
    begin(page, "ines")
    other = page.context.new_page()
    other.goto(page.url)
    begin(other, "ines")
    answer_all(other, "lrl")
    answer_all(page, "r")  # the practice, a second time
    assert page.locator(COUNT).inner_text() == f"Pair 3 of {TRIALS - 1}"
    answer_all(page, "r")
    for tab in (page, other):
        rows = [json.loads(line) for line in saved(tab, tmp_path).read_text().splitlines()]
        assert [(row["trial"], row["answer"]) for row in rows] == [
            (0, "first"),
            (1, "second"),
            (2, "first"),
            (3, "second"),
        ]


def test_what_is_no_answer_in_the_browser_is_not_counted(open_page, tmp_path):
    page = open_page(listening_page(SMALL))
    begin(page, "june")
    answer_all(page, "lr")
    key = f"drum_qtuner listening {SMALL.test} june"
    kept = page.evaluate("key => localStorage.getItem(key)", key).split("\n")
    for bad in (
        "",
        "{",
        "null",
        "[1]",
        kept[0],
        kept[1].replace(SMALL.test, "0" * 12),
        kept[1].replace("june", "jane"),
    ):
        page.evaluate(
            "([key, text]) => localStorage.setItem(key, text)", [key, f"{kept[0]}\n{bad}"]
        )
        page.reload()
        begin(page, "june")
        assert page.locator(COUNT).inner_text() == f"Pair 1 of {TRIALS - 1}"
    assert len(pool(saved(page, tmp_path), SMALL)[0]) == 1


def focused(page):
    return page.evaluate(
        "document.activeElement.textContent + '|' +"
        " (document.activeElement.getAttribute('aria-label') ?? '')"
    )


def test_with_tab_space_and_enter_as_anywhere_else(open_page, tmp_path):
    page = open_page(listening_page(SMALL))
    begin(page, "kim")
    assert (
        focused(page)
        == f"Which do you prefer?|Practice, not counted; {TRIALS - 1} pairs follow. Which do you"
        " prefer?"
    )
    for i, key in ((2, "Enter"), (1, "Space")):  # the focused one, not the first
        page.get_by_role("button", name=f"Beat {i}: listen").focus()
        page.keyboard.press(key)
        assert page.get_by_role("button", name=f"Beat {i}: stop").count() == 1
        page.locator(".dql-heard").nth(i - 1).get_by_text("once").wait_for()
        if i == 2:
            assert page.get_by_role("status").inner_text() == "Now listen to 1 to its end."
    assert page.get_by_role("status").inner_text() == "Now choose."
    page.keyboard.press("Tab")
    assert focused(page) == "I prefer 1|"
    page.keyboard.press("Space")
    for _ in range(2):
        page.keyboard.press("Tab")
    assert focused(page) == "I prefer 2|"
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="I prefer 2").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")  # once more, and it is sent
    page.get_by_text("Pair 1 of").wait_for()
    assert focused(page).endswith(f"Pair 1 of {TRIALS - 1}. Which do you prefer?")
    hear_both(page)
    page.get_by_role("button", name="I prefer 1").click()
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Pair 2 of").wait_for()
    assert [
        json.loads(line)["answer"] for line in saved(page, tmp_path).read_text().splitlines()
    ] == ["second", "first"]


def test_keys_work_wherever_one_has_clicked(open_page):
    page = open_page(listening_page(SMALL))
    begin(page, "lou")
    page.mouse.click(1190, 890)  # beside the test
    assert page.evaluate("document.activeElement === document.body")
    hear_both(page)
    page.get_by_role("button", name="Beat 1: listen again").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("Pair 1 of").wait_for()


def test_what_a_screen_reader_gets(open_page):
    page = open_page(listening_page(small(ties=True)))
    assert 'textbox "Your nickname' in page.locator("body").aria_snapshot()
    begin(page, "mia")
    hear_both(page)
    page.keyboard.press("ArrowDown")
    for told in (
        'region "Listening test"',
        'progressbar "Answered"',
        'heading "Practice, not counted; 8 pairs follow. Which do you prefer?" [level=2]',
        'group "Beat 1"',
        'button "Beat 1: listen again"',
        'button "I prefer 2"',
        'button "No preference" [pressed]',
        'button "Next"',
        "status",
    ):
        assert told in page.locator("body").aria_snapshot(), told


def test_nobody_sees_whose_a_beat_is(open_page):
    page = open_page(listening_page(SMALL))
    begin(page, "gina")
    for _ in range(2):
        seen = page.evaluate("document.body.querySelector('.dql-test').outerHTML + document.title")
        for name in (*SMALL.models, "random", "human", "b0"):
            assert name not in seen
        answer_all(page, "l")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1200])
def test_fits_and_can_be_read(open_page, width, scheme):
    page = open_page(listening_page(small(ties=True)), width=width, scheme=scheme)
    for screen in range(2):
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        small_buttons = page.evaluate(
            "[...document.querySelectorAll('.dql-test button')].filter(b => b.offsetParent &&"
            " b.offsetHeight < 44).length"
        )
        assert small_buttons == 0
        if screen == 0:
            begin(page, "hal")
    hear_both(page)
    page.keyboard.press("ArrowLeft")
    chosen = page.get_by_role("button", name="I prefer 1")
    chosen.hover()
    assert (
        chosen.evaluate("b => getComputedStyle(b).color + getComputedStyle(b).backgroundColor")
        == "rgb(255, 255, 255)rgb(0, 114, 178)"
    )


NOTEBOOK = [
    (
        "import sys; sys.path.insert(0, 'TESTS')\nfrom blind import SMALL\nfrom"
        " drum_qtuner.listening import ListeningTest"
    ),
    "ListeningTest(SMALL, 'answers')",
]


@pytest.mark.xdist_group("lab")
def test_a_whole_test_in_jupyterlab_pooled_with_the_pages(open_page, lab, tmp_path):
    from playwright.sync_api import expect

    address, folder = lab
    cells = [
        nbformat.v4.new_code_cell(source.replace("TESTS", str(Path(__file__).parent)))
        for source in NOTEBOOK
    ]
    kernel = dict(display_name="python3", language="python", name="python3")
    nbformat.write(
        nbformat.v4.new_notebook(cells=cells, metadata=dict(kernelspec=kernel)),
        folder / "listen.ipynb",
    )
    page = open_page(url=f"{address}/lab/tree/listen.ipynb?token=drums&reset")
    page.set_default_timeout(90_000)
    code = page.locator(".jp-CodeCell")

    def run_both():
        page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached"
        )
        for number in (0, 1):
            prompt = code.nth(number).locator(".jp-InputPrompt")
            before = prompt.inner_text()
            for _ in range(20):  # while JupyterLab is still opening the kernel it may lose a key
                prompt.click()
                page.keyboard.press("Control+Enter")
                page.wait_for_timeout(500)
                expect(prompt).not_to_have_text("[*]:", timeout=90_000)
                if prompt.inner_text() not in (before, "[ ]:"):
                    break
        page.wait_for_selector(".dql-intro:visible")

    dialog = page.locator(".jp-Dialog")  # on a busy machine JupyterLab may ask something at first
    page.add_locator_handler(dialog, lambda: dialog.locator(".jp-mod-accept").click())
    run_both()
    page.remove_locator_handler(dialog)
    begin(page, "iris")
    answer_all(page, "lrl", keys="ab")
    path = folder / "answers" / "rater-iris.jsonl"
    assert [json.loads(line)["answer"] for line in path.read_text().splitlines()] == [
        "first",
        "second",
        "first",
    ]

    page.locator(".jp-InputPrompt").first.click()  # a new kernel
    page.keyboard.press("0"), page.keyboard.press("0")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    page.wait_for_timeout(2000)
    run_both()
    begin(page, "iris")
    assert page.locator(COUNT).inner_text() == f"Pair 3 of {TRIALS - 1}"
    answer_all(page, "l" * (TRIALS - 3))
    assert "Your answers are saved." in page.locator(".dql-told").inner_text()
    assert (
        code.count() == 2 and page.locator(".jp-MarkdownCell").count() == 0
    )  # the test's keys did not reach JupyterLab

    other = open_page(listening_page(SMALL))
    begin(other, "jack")
    answer_all(other, "r" * TRIALS)
    saved(other, folder / "answers")
    answers, rejected = pool(folder / "answers")
    assert rejected.empty and answers.groupby("rater").size().to_dict() == dict(
        iris=TRIALS, jack=TRIALS
    )
    assert (
        np.isfinite(strengths(answers, draws=20).to_numpy()).all()
        and counts(answers)["preferred"].sum() == 12
    )
