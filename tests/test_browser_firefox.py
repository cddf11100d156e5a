"""What matters most in every browser, once more in Firefox: the same tests, with other pages."""

import numpy as np
import pytest
from browser import pages
from test_browser_listening import test_a_whole_test_on_the_page  # noqa: F401
from test_browser_player import (  # noqa: F401
    seconds,
    sparse,
    test_downloads_keep_their_names,
)
from test_browser_studio import (  # noqa: F401
    test_a_click_edits_and_what_follows_is_expected_anew,
    test_new_continue_vary_and_their_seed,
)

from drum_qtuner.beat_player import player_page

pytestmark = pytest.mark.xdist_group("firefox")  # one Firefox for all of them


@pytest.fixture
def open_page(firefox):
    "Takes the place of the fixture of the same name: these tests open their pages in Firefox."
    yield from pages(firefox)


NOTE = """() => { // when each stroke shall sound, when that was said, and how loud it is meanwhile
  window.starts = [];
  const {start} = AudioBufferSourceNode.prototype;
  AudioBufferSourceNode.prototype.start = function (time) {
    starts.push([time, this.context.currentTime]);
    start.call(this, time);
  };
  const meter = drumQtuner.audio().createAnalyser(), level = new Float32Array(meter.fftSize);
  drumQtuner.master.connect(meter);
  window.loudest = 0;
  setInterval(() => {
    meter.getFloatTimeDomainData(level);
    loudest = Math.max(loudest, ...level.map(Math.abs));
  }, 20);
}"""


def test_strokes_are_scheduled_in_time_on_a_clock_that_runs(open_page):
    "Two loops of a beat: each stroke at its time after the first, none too late, all of it loud."
    beat = sparse()
    page = open_page(player_page({"sparse": beat}))
    page.evaluate(NOTE)
    page.locator(".dq-play").click()
    page.wait_for_function("starts.length >= 12")
    page.locator(".dq-play").click()
    times, said = np.array(page.evaluate("starts.slice(0, 12)")).T
    length = beat.steps * 15 / beat.bpm
    wanted = np.concatenate([seconds(beat), seconds(beat) + length])
    assert np.abs(times - times[0] - (wanted - wanted[0])).max() < 1e-6
    assert (said <= times).all() and np.ptp(said) > length
    assert page.evaluate("loudest") > 0.1 and page.evaluate("drumQtuner.playing === null")
