"""The player, used as a person would: in a browser, on static pages and in a live JupyterLab."""

import io
import sys
import types
from html import escape

import numpy as np
import pytest
from browser import TAP, onsets, recorded, start_recording
from scipy.io import wavfile
from scipy.signal import correlate, resample_poly

from drum_qtuner import REST, Beat, beat_player
from drum_qtuner.beat_player import player, player_page, player_script
from drum_qtuner.sound import render


def sparse(bpm: float = 120, steps: int = 16) -> Beat:
    "Short sounds with room between them, some early, some late."
    velocity, offset = np.zeros((steps, 9), int), np.zeros((steps, 9))
    for step, drum, loud, early in (
        (0, 6, 110, 0),
        (3, 1, 120, 0.3),
        (6, 6, 90, -0.25),
        (8, 1, 127, 0),
        (11, 6, 120, 0.45),
        (14, 6, 100, -0.5),
    ):
        velocity[step, drum], offset[step, drum] = loud, early
    return Beat(velocity, offset, bpm)


def rock(bpm: float = 92, steps: int = 32) -> Beat:
    "What most beats of the course look like."
    velocity, offset = np.zeros((steps, 9), int), np.zeros((steps, 9))
    velocity[::8, 0], velocity[4::8, 1], velocity[::2, 6], velocity[2::8, 1] = 110, 100, 70, 30
    velocity[14::16, 5], velocity[14::16, 6], velocity[0, 7] = 90, 0, 110
    offset[4::8, 1] = 0.1
    return Beat(velocity, offset, bpm)


def wild(bpm: float = 97.3, steps: int = 32, density: float = 0.25, seed: int = 0) -> Beat:
    "Random strokes on all drums, none on the grid, the first early."
    random = np.random.default_rng(seed)
    struck = random.random((steps, 9)) < density
    struck[0, 0] = True
    offset = random.uniform(-0.5, 0.5, struck.shape)
    offset[0] = -0.4
    return Beat(struck * random.integers(1, 128, struck.shape), offset, bpm)


EMPTY = Beat.from_classes([REST] * 16)


def seconds(beat: Beat) -> np.ndarray:
    "When the strokes of `beat` sound, in seconds from its start."
    steps, drums = np.nonzero(beat.velocity)
    return np.sort((steps + beat.offset[steps, drums]) * 15 / beat.bpm)


def strokes_heard(page, beat: Beat, loops: int) -> np.ndarray:
    "Press play and then stop; when strokes began, in seconds after the first."
    page.evaluate("heard.length = 0")
    page.locator(".dq-play").first.click()
    page.wait_for_timeout(1000 * (loops * beat.steps * 15 / beat.bpm + 0.7))
    page.locator(".dq-play").first.click()
    rate, samples = recorded(page)
    assert np.abs(samples).max() > 0.05, "silence"
    found = onsets(samples, rate)
    return found - found[0]


def assert_heard(page, beat: Beat, loops: int = 2):
    "Press play, and hear each stroke within 5 ms of its time after the first, loop after loop."
    start_recording(page)
    length = beat.steps * 15 / beat.bpm
    wanted = np.concatenate([seconds(beat) + loop * length for loop in range(loops)])
    wanted -= wanted[0]
    for _ in range(2):  # a busy machine may lose a piece of sound once
        found = strokes_heard(page, beat, loops)[: len(wanted)]
        if len(found) == len(wanted) and np.abs(found - wanted).max() < 0.005:
            return
    raise AssertionError(f"heard at {found}, not at {wanted}")


def test_press_play_and_hear_it(open_page):
    page = open_page(player_page({"sparse": sparse()}))
    assert_heard(page, sparse())
    assert page.evaluate("drumQtuner.playing") is None


def likeness(page, beat) -> float:
    "Play a beat once; how like `render` the live output is, as a correlation."
    start_recording(page)
    page.evaluate("document.querySelector('figure').transport.volume = 1")
    page.locator(".dq-loop").click()  # once only
    page.locator(".dq-play").click()
    page.wait_for_function("drumQtuner.playing === null")
    page.wait_for_timeout(2600)
    rate, samples = recorded(page)
    ours = resample_poly(render(beat), rate, 44_100) if rate != 44_100 else render(beat)
    lag = correlate(samples, ours[:rate], "valid").argmax()
    heard = samples[lag : lag + len(ours)]
    assert len(heard) > 0.9 * len(ours) and np.abs(samples).max() < 1
    return float(np.corrcoef(heard, ours[: len(heard)])[0, 1])


def test_what_sounds_is_what_python_renders(open_page):
    """One loop of the live output beside `render`: the same wave, give or take a part of a sample.

    Live sound drops out where a machine is busy, so it may be played once more.
    """
    beat = wild(bpm=180)
    html = player_page({"wild": beat})
    assert any(likeness(open_page(html), beat) > 0.99 for _ in range(2))


FAKE_CLOCK = """() => { // an audio context that notes when it shall sound, on the test's clock
  const param = () => ({setValueAtTime() {}, linearRampToValueAtTime() {}, setTargetAtTime() {},
    cancelScheduledValues() {}});
  const node = more => ({connect: other => other, disconnect() {}, gain: param(), ...more});
  window.starts = [];
  const createBuffer = (channels, length, rate) =>
    ({duration: length / rate, length, copyToChannel() {}});
  drumQtuner.context = {get currentTime() { return performance.now() / 1000; }, state: "running",
    createGain: () => node(), createWaveShaper: () => node(), createBuffer,
    createBufferSource: () => node({start: time => starts.push(time), stop() {}})};
  drumQtuner.master = node();
}"""


def stop_clock(page):
    "From here on time passes only where the test says so, however busy the machine is."
    page.clock.install(time=0)
    page.clock.pause_at(60)
    page.evaluate(FAKE_CLOCK)


@pytest.mark.parametrize(
    "beat", [wild(), rock(300), rock(20)], ids=["97.3 bpm", "300 bpm", "20 bpm"]
)
def test_no_drift_in_five_minutes(open_page, beat):
    "Every stroke of five minutes is scheduled once, at its time to a microsecond."
    page = open_page(player_page({"beat": beat}))
    stop_clock(page)
    page.evaluate("requestAnimationFrame = () => 0")  # nobody looks: 20,000 pictures less
    page.locator(".dq-play").evaluate("button => button.click()")
    for wait in (100_003, 50_001.5, 150_000):
        page.clock.run_for(wait)
    starts, origin = np.array(page.evaluate("starts")), page.evaluate("drumQtuner.playing.origin")
    length = beat.steps * 15 / beat.bpm
    wanted = (
        np.concatenate([seconds(beat) + loop * length for loop in range(int(301 / length) + 1)])
        + origin
    )
    wanted = np.sort(wanted)[: len(starts)]
    assert starts[-1] > 300
    assert np.abs(np.sort(starts) - wanted).max() < 1e-6


def test_tempo_and_metronome(open_page):
    page = open_page(player_page({"beat": rock()}))
    stop_clock(page)
    number, slider = (
        page.locator(".dq-tempo input[type=number]"),
        page.locator(".dq-tempo input[type=range]"),
    )
    assert (
        number.input_value(),
        slider.input_value(),
        slider.get_attribute("min"),
        slider.get_attribute("max"),
    ) == ("92", "92", "20", "300")
    number.fill("1000")
    number.press("Tab")
    assert (number.input_value(), slider.input_value()) == ("300", "300")
    page.locator(".dq-metronome").evaluate("button => button.click()")
    page.locator(".dq-play").evaluate("button => button.click()")
    page.clock.run_for(1_600)  # a loop at 300 bpm
    strokes = int((rock().velocity > 0).sum())
    starts = np.array(page.evaluate("starts")) - page.evaluate("drumQtuner.playing.origin")
    assert (starts < 1.6 - 1e-6).sum() == strokes + 8
    page.locator(".dq-reset").evaluate("button => button.click()")
    assert (number.input_value(), page.evaluate("drumQtuner.playing.bpm")) == ("92", 92)
    look = "[drumQtuner.playing.position(), performance.now()]"
    before, then = page.evaluate(look)
    page.clock.run_for(500)
    after, now = page.evaluate(look)
    assert now >= then + 500 and after == pytest.approx(
        (before + (now - then) / 1000 * 92 / 15) % 32, abs=0.1
    )


def test_a_beat_is_swapped_while_it_plays(open_page):
    "No stroke is lost or doubled when the beat changes: what has not sounded is planned anew."
    page = open_page(player_page({"one": sparse(), "other": wild(120)}))
    stop_clock(page)
    page.evaluate(
        "new drumQtuner.Transport({beat: document.querySelector('figure').transport.beat}).start()"
    )
    page.clock.run_for(1_000)
    for _ in range(20):
        page.evaluate("drumQtuner.playing.beat = drumQtuner.playing.beat")
        page.clock.run_for(7)
    now, origin = page.evaluate("""() => {
      const now = performance.now() / 1000;
      starts.length = 0;
      drumQtuner.playing.beat = document.querySelectorAll("figure")[1].transport.beat;
      return [now, drumQtuner.playing.origin]; }""")
    page.clock.run_for(4_000)
    starts = np.array(page.evaluate("starts"))
    loop = 32 * 15 / 120
    wanted = np.sort(np.concatenate([seconds(wild(120)) + n * loop for n in range(-1, 3)])) + origin
    wanted = wanted[wanted >= now + 0.005]
    assert np.abs(starts - wanted[: len(starts)]).max() < 1e-6 and starts[-1] > now + 4


def test_playhead_moves(open_page):
    page = open_page(player_page({"rock": rock()}))
    head = page.locator(".dq-head")
    assert not head.is_visible()
    page.locator(".dq-play").click()
    places = []
    for _ in range(4):
        page.wait_for_timeout(250)
        places.append(head.evaluate("head => parseFloat(head.style.left)"))
        there = page.evaluate(
            "100 * (drumQtuner.place(drumQtuner.playing.position()) + 9)"
            " / (drumQtuner.place(drumQtuner.playing.beat.steps) + 9)"
        )
        assert abs(places[-1] - there) < 6  # per cent: two frames and the call's time
    assert places == sorted(set(places)) and places[-1] > 10
    page.locator(".dq-play").click()
    assert not head.is_visible()


def test_starting_one_stops_the_other_and_starts_no_third(open_page):
    page = open_page(player_page([rock(), wild(), EMPTY]))
    buttons = page.locator(".dq-play")
    playing = lambda: page.evaluate(
        "[...document.querySelectorAll('.dq-player')].map(figure => figure.transport.playing)"
    )
    assert playing() == [False] * 3
    for number in (0, 1, 2, 0):
        buttons.nth(number).click()
        page.wait_for_timeout(120)
        assert playing() == [i == number for i in range(3)]
        assert [buttons.nth(i).get_attribute("title") for i in range(3)] == [
            "Stop" if i == number else "Play" for i in range(3)
        ]
    buttons.nth(0).click()
    assert playing() == [False] * 3
    assert page.evaluate(
        "[...document.querySelectorAll('.dq-player')].map(figure => figure.transport.bpm)"
    ) == [92, 97.3, 120]


def test_keyboard_and_screen_reader(open_page):
    page = open_page(player_page({"rock": rock()}))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Play rock"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Space")
    assert page.evaluate("drumQtuner.playing !== null")
    page.keyboard.press("Enter")
    assert page.evaluate("drumQtuner.playing === null")
    names = []
    while (name := page.evaluate("document.activeElement.getAttribute('aria-label')")) is not None:
        names.append(name)
        page.keyboard.press("Tab")
    assert names == [
        "Play rock",
        "Loop",
        "Metronome",
        "Tempo in beats per minute",
        "Tempo in beats per minute",
        "Volume",
        "Download MIDI",
        "Download WAV",
    ]
    assert page.locator(".dq-metronome").get_attribute("aria-pressed") == "false"
    page.locator(".dq-metronome").press("Enter")
    assert page.locator(".dq-metronome").get_attribute("aria-pressed") == "true"
    assert page.get_by_role("group", name="rock").count() == 1
    assert page.get_by_role("img", name="Strokes: Bass 4, Snare 8").count() == 1


def test_downloads_keep_their_names(open_page):
    "Letters of any script stay what they are, also where a Mac has taken them apart."
    names = {"Fünk": "Fünk", "Fu\u0308nk 2": "Fünk-2", "鼓": "鼓", "باص": "باص", "../a: b?": "a-b"}
    names |= {"🥁": "beat", "鼓" * 80: "鼓" * 60}
    page = open_page(player_page({name: rock() for name in names}))
    for number, wanted in enumerate(names.values()):
        with page.expect_download() as midi:
            page.locator(".dq-midi").nth(number).click()
        assert midi.value.suggested_filename == f"{wanted}.mid"


@pytest.mark.parametrize(
    "beat",
    [rock(), wild(), EMPTY, rock(140, 256), sparse(20), sparse(300)],
    ids=["rock", "wild", "empty", "16 bars", "20 bpm", "300 bpm"],
)
def test_downloads(open_page, beat):
    "MIDI is the beat itself, WAV what Python renders, to the last but one of 16 bits."
    page = open_page(player_page({"A beat!": beat}))
    with page.expect_download() as midi:
        page.locator(".dq-midi").click()
    assert midi.value.suggested_filename == "A-beat.mid"
    assert Beat.from_midi(midi.value.path().read_bytes()) == beat
    with page.expect_download() as wav:
        page.locator(".dq-wav").click()
    assert wav.value.suggested_filename == "A-beat.wav"
    rate, samples = wavfile.read(io.BytesIO(wav.value.path().read_bytes()))
    wanted_rate, wanted = wavfile.read(io.BytesIO(beat.wav()))
    assert rate == wanted_rate and len(samples) == len(wanted)
    assert np.abs(samples.astype(int) - wanted).max(initial=0) <= 1


HOSTILE = {
    "<script>document.title = 'taken'</script>": "a script",
    "</script><img src=x onerror=\"document.title='taken'\">": "the end of a script",
    "\"' onclick=alert(1) x='": "quotes",
    "🥁 $x^2$ %s {0} \\ &amp; \u202e": "signs",
    "long " * 2000: "10,000 characters",
    "": "nothing",
}


def test_hostile_titles(open_page):
    page = open_page(
        player_page(
            {title: rock() for title in HOSTILE}, "<script>document.title = 'taken'</script>"
        )
    )
    shown = page.evaluate(
        "[...document.querySelectorAll('figcaption b')].map(title => title.textContent)"
    )
    assert shown == list(HOSTILE)
    assert page.title() == "<script>document.title = 'taken'</script>"
    assert page.locator(".dq-play").count() == len(HOSTILE) == page.locator("img").count()
    assert page.locator("img:not([alt^='Strokes: '])").count() == 0
    assert (
        page.evaluate(
            "Math.max(...[...document.querySelectorAll('.dq-player')].map(figure =>"
            " figure.clientHeight))"
        )
        < 400
    )
    with page.expect_download() as midi:
        page.locator(".dq-midi").nth(4).click()
    assert len(midi.value.suggested_filename) < 80


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 700, 1200])
def test_fits_the_page(open_page, width, scheme):
    "At no width does the page scroll sideways: a long beat scrolls in its box, after the playhead."
    page = open_page(
        player_page({"rock": rock(), "sixteen bars": rock(300, 256)}),
        width=width,
        height=760,
        scheme=scheme,
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = page.evaluate(
        "[...document.querySelectorAll('.dq-scroll')].map(box => [box.scrollWidth,"
        " box.clientWidth])"
    )
    assert boxes[0][0] == boxes[0][1] and boxes[1][0] > boxes[1][1]
    for element in page.locator(".dq-player button:visible, .dq-player input:visible").all():
        box = element.bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] <= width
    page.evaluate("document.querySelectorAll('figure')[1].transport.bpm = 2000")
    page.locator(".dq-play").nth(1).click()
    page.wait_for_function(
        "document.querySelectorAll('.dq-scroll')[1].scrollLeft > 0", timeout=5000
    )


def test_without_scripts(open_page):
    "The grid is there, the names are there, and an <audio> plays the beat."
    page = open_page(player_page({"rock": rock()}), width=360, java_script_enabled=False)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("audio").is_visible() and page.locator("img").is_visible()
    assert page.get_by_text("Crash Cymbal").is_visible() and page.locator(".dq-play").count() == 0


def test_the_recording_can_be_played(open_page):
    page = open_page(beat_player._figure("slow", rock(20)).replace(beat_player.MOUNT, ""))
    length = page.evaluate(
        """() => new Promise((done, fail) => { const audio = document.querySelector("audio");
      Object.assign(audio, {onloadedmetadata: () => done(audio.duration), onerror: fail,
        preload: "auto"}).load(); })"""
    )
    assert page.locator(".dq-audio small").inner_text() == f"the first {length:.1f} seconds"


def test_script_may_come_late_and_twice(open_page):
    "Players wait for the script, whichever output brings it, and a second copy changes nothing."
    part = player({"rock": rock()})
    bare, whole = part.html(script=False), part.html()
    page = open_page(f"<!doctype html><meta charset=utf-8>{bare}{bare}{whole}{whole}{bare}")
    assert page.locator(".dq-play").count() == 5 and page.locator("style").count() == 1
    page.locator(".dq-play").first.click()
    page.evaluate(player_script())
    assert page.locator(".dq-play").count() == 5 and page.evaluate("drumQtuner.playing !== null")


def test_a_player_that_is_removed_falls_silent(open_page):
    page = open_page(player_page({"rock": rock()}))
    page.locator(".dq-play").click()
    page.evaluate("document.querySelector('figure').remove()")
    page.wait_for_function("drumQtuner.playing === null")


def test_sizes():
    "A further beat at most 10 KB, a player at most 100 KB, a page of thirty players under 1 MB."
    for beat in (rock(), sparse(20), EMPTY, sparse(300)):
        assert len(player(beat).html(script=False).encode()) <= 10_000
    assert len(player({"rock": rock(), "wild": wild(density=0.15)}).html().encode()) <= 100_000
    assert (
        len(player_page([wild(density=0.15, seed=seed) for seed in range(30)]).encode()) < 1_000_000
    )


def test_who_carries_the_script(monkeypatch):
    "One cell of a session, each time it is run; every output where each has its own frame."
    shell = types.SimpleNamespace(
        user_ns={}, execution_count=1, get_parent=lambda: {"metadata": {"cellId": shell.cell}}
    )
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(beat_player, "_carried", {})
    monkeypatch.delenv("VSCODE_PID", raising=False)
    carried = []
    for shell.execution_count, shell.cell in (
        (1, "a"),
        (1, "a"),
        (2, "b"),
        (3, "a"),
        (3, "a"),
        (4, "b"),
        (5, "c"),
    ):
        carried.append("sounds" in player(rock())._repr_html_())
    assert carried == [True, False, False, True, False, False, False]
    monkeypatch.setenv("VSCODE_PID", "1")
    assert player_script() in player(rock())._repr_html_()
    monkeypatch.delenv("VSCODE_PID")
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    assert player_script() in player(rock())._repr_html_()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: None))
    assert player_script() in player(rock())._repr_html_()


SOURCES = [
    (
        "import numpy as np\nfrom drum_qtuner import Beat\nfrom drum_qtuner.beat_player import"
        f" player\nvelocity, offset = np.array({sparse().velocity.tolist()}),"
        f" np.array({sparse().offset.tolist()})\nbeat = Beat(velocity, offset, bpm=120)\nbeat"
    ),
    "player({'a': beat, 'b': beat})",
    "beat",
]


def small_notebook():
    import nbformat

    kernel = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in SOURCES], metadata=kernel
    )


def test_in_a_converted_notebook(open_page, monkeypatch, tmp_path):
    "Executed and turned to HTML: the script is there once, and every beat plays."
    import nbclient
    import nbconvert

    monkeypatch.delenv("VSCODE_PID", raising=False)
    notebook = nbclient.NotebookClient(
        small_notebook(), resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = [output.data["text/html"] for cell in notebook.cells for output in cell.outputs]
    assert [player_script() in html for html in outputs] == [True, False, False]
    html, _ = nbconvert.HTMLExporter(mathjax_url="", require_js_url="").from_notebook_node(
        notebook
    )  # those two are not ours
    html = html.replace('<script src=""></script>', "")
    page = open_page(html)
    assert page.locator(".dq-play").count() == 4
    assert_heard(page, sparse(), loops=1)


@pytest.mark.xdist_group("lab")
def test_in_a_live_jupyterlab(open_page, lab):
    "Open a notebook, run its cells, press play, hear the beat."
    import nbformat

    address, folder = lab
    nbformat.write(small_notebook(), folder / "beats.ipynb")
    page = open_page(url=f"{address}/lab/tree/beats.ipynb?token=drums&reset")
    page.set_default_timeout(90_000)
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    page.locator(".jp-Notebook .jp-Cell").first.click()
    for _ in SOURCES:
        page.keyboard.press("Shift+Enter")
    page.wait_for_function("document.querySelectorAll('.dq-play').length === 4")
    assert page.locator("style#drum-qtuner").count() == 1
    assert_heard(page, sparse(), loops=1)
    page.locator(".dq-play").last.click()
    assert page.evaluate(
        "[...document.querySelectorAll('.dq-player')].map(figure => figure.transport.playing)"
    ) == [False, False, False, True]
    page.locator(".dq-play").last.click()
    with page.expect_download() as midi:
        page.locator(".dq-midi").last.click()
    assert Beat.from_midi(midi.value.path().read_bytes()) == sparse()


@pytest.mark.parametrize(
    "sandbox",
    ["allow-scripts allow-downloads", "allow-scripts allow-same-origin allow-downloads"],
    ids=["stranger", "same origin"],
)
def test_in_frames_of_their_own(open_page, sandbox):
    "As in Colab and VS Code: each output lives in a frame of its own, and carries everything."
    frame = escape(player(sparse()).html())
    page = open_page(
        "<!doctype html><html><head><link rel='icon' href='data:,'></head><body>"
        + f'<iframe sandbox="{sandbox}" srcdoc="{frame}" width="600" height="320"></iframe>' * 2
        + "</body></html>"
    )
    page.wait_for_function("document.querySelectorAll('iframe').length === 2")
    first, second = page.frames[1:]
    for each in (first, second):
        each.locator(".dq-play").wait_for()
    first.evaluate(TAP)
    first.locator(".dq-play").click()
    first.wait_for_function(
        "heard.length && Math.max(...heard.at(-1)[1].map(Math.abs), ...heard.flatMap(([, block]) =>"
        " block.map(Math.abs))) > .1"
    )
    assert first.evaluate("drumQtuner.playing.position()") >= 0 and not second.evaluate(
        "!!drumQtuner.playing"
    )
    with page.expect_download() as midi:
        second.locator(".dq-midi").click()
    assert Beat.from_midi(midi.value.path().read_bytes()) == sparse()
