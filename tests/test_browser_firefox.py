"""What matters most in every browser, once more in Firefox: the same tests, with other pages."""

import numpy as np
import pytest
from browser import pages, samples
from reports import report_page
from sequencer import beat_of, press
from test_browser_instrument import light, test_a_stroke_is_dragged, test_keys_hit_and_are_recorded  # noqa: F401
from test_browser_listening import test_a_whole_test_on_the_page  # noqa: F401
from test_browser_player import FAKE_CLOCK, seconds, sparse, test_downloads_keep_their_names  # noqa: F401

from drum_qtuner.beat_player import player_page
from drum_qtuner.decoding import generate
from drum_qtuner.sound import beat_data, render
from drum_qtuner.store import load_pretrained

pytestmark = pytest.mark.xdist_group("firefox")  # one Firefox for all of them


@pytest.fixture
def open_page(firefox):
    """Takes the place of the fixture of the same name: these tests open their pages in Firefox.

    Without a sound device Firefox's audio clock stands still, so pages get one that runs.
    """
    yield from pages(firefox, before=f"globalThis.drumQtuner = {{}}; ({FAKE_CLOCK})()")


def assert_in_time(page, play, beat):
    "Two loops, as time goes by: each stroke is told its time after the first."
    wanted = np.concatenate([seconds(beat), seconds(beat) + beat.steps * 15 / beat.bpm])
    play.click()
    page.wait_for_function(f"starts.length >= {len(wanted)}")
    page.evaluate("drumQtuner.playing.stop()")
    times = np.array(page.evaluate(f"starts.slice(0, {len(wanted)})"))
    assert np.abs(times - times[0] - (wanted - wanted[0])).max() < 1e-6


OFFLINE = """(async ({notes, bpm, length}) => { // strokes through the browser's own audio nodes
  const context = new OfflineAudioContext(1, length, D.sounds.rate);
  const {input, output} = D.sounds.saturator(context);
  output.connect(context.destination);
  for (const [step, drum, velocity, offset] of notes) {
    const source = context.createBufferSource();
    source.buffer = D.sounds.buffer(context, drum, velocity);
    source.connect(input);
    source.start(D.sampleOf(step * D.TICKS + offset, bpm) / D.sounds.rate);
  }
  return (await context.startRendering()).getChannelData(0);
})(x)"""


def test_what_sounds_is_what_python_renders(open_page):
    beat = sparse()
    page, wanted = open_page(player_page({"sparse": beat})), render(beat)
    data = beat_data(beat)
    told = {"notes": data["notes"], "bpm": data["bpm"], "length": len(wanted)}
    assert np.abs(samples(page, OFFLINE, told) - wanted).max() < 1e-3


def test_the_player_plays_in_time(open_page):
    page = open_page(player_page({"sparse": sparse()}))
    assert_in_time(page, page.locator(".dq-play"), sparse())


def test_the_studio_plays_in_time(studio):
    beat = sparse(240, 32)
    page = studio(beat=beat)
    assert_in_time(page, page.get_by_role("button", name="Play").first, beat)


def test_the_studio_makes_the_beat_that_torch_makes(studio):
    page = studio(model="note_cnn")
    primer = beat_of(page).classes()[:8]
    page.get_by_label("decoding rule").select_option("argmax")
    press(page, "Let the network go on")
    expected = generate(load_pretrained("note_cnn"), 1, decode="argmax", primer=primer)[0]
    assert beat_of(page) == expected


def test_the_report_opens_and_plays_in_turn(open_page):
    page = open_page(report_page(), width=1280, height=800)
    assert "after their first sound all of its 10 beats are silent" in page.content()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.evaluate("document.querySelectorAll('.dq-player').forEach(f => f.transport.bpm = 2000)")
    page.locator("#first").get_by_role("button", name="Play all").click()
    for title in page.locator("#first figcaption b").all_inner_texts():
        page.locator(".dq-playing", has_text=title).wait_for()
    page.locator("#first").get_by_role("button", name="Play all").wait_for()
