"""Two scripts on one page: the newer wins, wherever it stands, and what stands already plays on."""

import json
import re

import pytest
from test_browser_player import rock

from drum_qtuner.beat_player import player, player_script
from drum_qtuner.listening import listening_page
from drum_qtuner.studio import studio_page
from drum_qtuner.web import page, script


def of_version(text: str, version: str, mark: str = "") -> str:
    "The same script as another release would bring it; `mark` stands in the title of its buttons."
    data = re.search(r'\{"version":"[^"]*"', text)[0]
    number = re.search(r'page\.scripts\?\?=\{\}\)\["(\w+)"\]', text)[1]
    text = text.replace(data, json.dumps(dict(version=version), separators=(",", ":"))[:-1])
    text = text.replace("Download MIDI", f"Download MIDI{mark}")
    return text.replace(f'["{number}"]', f'["{number} {version}{mark}"]')


def output(text: str) -> str:
    "What a cell leaves behind: the script and a player."
    return f"<script>{text}</script>{player(rock()).html(script=False)}"


def marks(opened) -> list[str]:
    "Which script has made each of the players."
    titles = opened.locator(".dq-midi").evaluate_all("tools => tools.map(tool => tool.title)")
    return [title.removeprefix("Download MIDI").strip() for title in titles]


CASES = {
    "old first": ([("0.1.0", "old"), ("0.2.0", "new")], ["old", "new"]),
    "new first": ([("0.2.0", "new"), ("0.1.0", "old")], ["new", "new"]),
    "tens are more than nines": ([("0.10.0", "new"), ("0.9.1", "old")], ["new", "new"]),
    "same version, other letters": ([("0.2.0", "one"), ("0.2.0", "two")], ["one", "two"]),
    "and back": ([("0.2.0", "one"), ("0.2.0", "two"), ("0.2.0", "one")], ["one", "two", "one"]),
    "three": (
        [("0.2.0", "b"), ("0.1.0", "a"), ("0.3.0", "c"), ("0.2.0", "b")],
        ["b", "b", "c", "c"],
    ),
}


@pytest.mark.parametrize("scripts, wanted", CASES.values(), ids=CASES)
def test_the_newest_script_makes_the_players(open_page, scripts, wanted):
    texts = [of_version(player_script(), version, f" {mark}") for version, mark in scripts]
    opened = open_page(page("Outputs", "".join(output(text) for text in texts)))
    assert marks(opened) == wanted
    assert opened.locator("style#drum-qtuner").count() == 1
    for number in range(len(wanted)):  # all of them play, and only one at a time
        opened.locator(".dq-play").nth(number).click()
        assert opened.evaluate(
            "[...document.querySelectorAll('.dq-player')].map(figure => figure.transport.playing)"
        ) == [number == other for other in range(len(wanted))]
    opened.wait_for_function("drumQtuner.playing.position() > 0")


def test_a_player_goes_on_while_a_newer_script_comes(open_page):
    old, new = (of_version(player_script(), *each) for each in (("0.1", " old"), ("0.2", " new")))
    opened = open_page(page("Outputs", output(old)))
    opened.locator(".dq-play").click()
    opened.evaluate(f"() => {{ {new} }}")
    assert opened.evaluate("document.querySelector('figure').transport.playing")
    opened.locator(".dq-play").click()
    assert opened.evaluate("drumQtuner.playing") is None
    opened.locator(".dq-play").click()
    with opened.expect_download():
        opened.locator(".dq-midi").click()


EARLY = """globalThis.drumQtuner = {color: ["old"], kit: {}, names: [], css: "", playing: null};
drumQtuner.Transport = class {};
drumQtuner.mount = () => { throw Error("a script from before there were versions"); };"""
LATE = """Object.assign(globalThis.drumQtuner ??= {}, {color: [], names: [], css: "", kit: {}});
if (!drumQtuner.Transport) throw Error("the newer script is gone");"""


def test_scripts_from_before_there_were_versions(open_page):
    parts = [f"<script>{EARLY}</script>", output(player_script()), f"<script>{LATE}</script>"]
    again = player(rock()).html(script=False)
    opened = open_page(page("Outputs", "".join([*parts, again])))
    assert opened.locator(".dq-play").count() == 2
    opened.locator(".dq-play").last.click()
    opened.wait_for_function("drumQtuner.playing.position() > 0")


def test_every_page_brings_what_it_needs(open_page):
    "A player, a studio and a listening test with scripts of three releases share one page."
    from test_listening import SMALL

    bodies = [output(of_version(player_script(), "0.3.0"))]
    for version, whole in (("0.1.0", studio_page()), ("0.2.0", listening_page(SMALL))):
        body = whole.split("<body>")[1].split("</body>")[0]
        text = re.search(r"<script>(\(\(\)=>.*\))\.\w+Page\(", body, re.S)[1]
        bodies.append(body.replace(text, of_version(text, version)))
    opened = open_page(page("All", "".join(bodies)))
    opened.wait_for_selector("[data-heat='drummer']")
    assert opened.locator(".dql-intro").is_visible()
    opened.locator(".dq-play").click()
    opened.locator(".dqs-play").click()  # the studio stops the player
    assert opened.evaluate("document.querySelector('.dqs-studio').studio.transport.playing")
    assert not opened.evaluate("document.querySelector('figure').transport.playing")


def test_a_script_says_what_it_is():
    assert script() == script() != script(css="p{}")
    assert "</script" not in script(css="</script>")
