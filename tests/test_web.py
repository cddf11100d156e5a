"""What pages share: their frame, their script, and the bridge between a page and Python."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from drum_qtuner import __version__
from drum_qtuner.beat import KIT
from drum_qtuner.bridge import Bridge, in_words
from drum_qtuner.web import asset, is_watched, page, script

HOSTILE = "</title><script>alert(1)</script> \"quoted\" & 'single' ♩"


def test_a_page_has_one_title_whatever_it_is_called():
    whole, texts = page(HOSTILE, "<p>body</p>", "p{color:red}"), []
    parser = HTMLParser(convert_charrefs=True)
    parser.handle_data = texts.append
    parser.feed(whole)
    assert "".join(texts).startswith(HOSTILE) and "<script" not in whole
    assert whole.startswith("<!doctype html>") and "http" not in whole
    assert "p{color:red}</style>" in whole and "<main><p>body</p></main></body></html>" in whole


def test_assets_are_known_by_name():
    assert "dq-player" in asset("player.css")
    for name in ("piano.css", "../settings.ini", ""):
        with pytest.raises(ValueError, match="no file"):
            asset(name)


def test_a_script_carries_what_python_owns_and_says_what_it_is():
    given = json.loads(re.search(r"\}\)\((\{.*\})\);D\.publish", script(), re.S)[1])
    assert given["version"] == __version__ and len(given["names"]) == given["DRUMS"] == len(KIT)
    numbers = {re.search(r'\["(\w{12})"\]', text)[1] for text in (script(), script(css="p{}"))}
    assert len(numbers) == 2 and script() == script()
    assert "</script" not in script(css="</script>")


def test_what_a_beat_needs_to_show_itself_is_light():
    code = "import sys, drum_qtuner.web; print({'torch', 'IPython', 'anywidget'} & {*sys.modules})"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "set()\n"


class Halves(Bridge):
    "Half of an even number."

    _esm = "export default {render() {}}"

    def answer(self, ask, number):
        if number % 2:
            raise ValueError(f"{number} is odd")
        return number // 2

    def __repr__(self):
        return "Halves()"


def test_every_message_gets_an_answer_or_an_error():
    halves, sent = Halves(), []
    halves.send = sent.append
    assert halves.reply(dict(id="a", ask="half", number=4)) == dict(id="a", answer=2)
    assert halves.reply(dict(id="b", ask="half", number=5)) == dict(id="b", error="5 is odd")
    assert "error" in halves.reply(dict(id="c", ask="half")) and "error" in halves.reply({})
    halves._handle_custom_msg(dict(id="d", ask="half", number=8), [])  # as the page sends it
    assert sent == [dict(id="d", answer=4)]


def test_an_error_in_words():
    assert in_words(ValueError("take another folder")) == "take another folder"
    assert in_words(ValueError()) == "ValueError: "
    assert in_words(KeyError("trial")) == "KeyError: 'trial'"


def test_where_nobody_watches_a_widget_is_only_a_note():
    assert not is_watched()
    assert Halves()._repr_mimebundle_() == {"text/plain": "Halves()", "text/html": Bridge.note}
