"""Headless browsers for the tests, and pages that ask the network for nothing and err nowhere."""

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path

import numpy as np
import pytest

import drum_qtuner

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FIREFOX = ("firefox-esr", "firefox")
FLAGS = """--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync
           --disable-background-networking --disable-component-update
           --autoplay-policy=no-user-gesture-required""".split()


def skip_loudly(what: str):
    "Skip, and say so in the summary even where skips are not listed."
    message = f"THE BROWSER TESTS DID NOT RUN: {what}"
    warnings.warn(message, stacklevel=2)
    pytest.skip(message)


def program(names: tuple[str, ...]) -> str | None:
    "The first of these programs that this machine has."
    return next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def playwright():
    "Playwright, which drives browsers that are there, and downloads none."
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip_loudly(
            "Playwright for Python is missing: pip install playwright (no `playwright install` is"
            " needed)"
        )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("NODE_OPTIONS", f'--require "{Path(__file__).with_name("firefox.cjs")}"')
        started = sync_playwright().start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def chromium(playwright):
    "Chromium, or Chrome."
    found = program(CHROMIUM)
    if found is None:
        skip_loudly("no Chromium or Chrome was found. On Debian and Ubuntu: apt install chromium")
    browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def firefox(playwright):
    "Firefox as it comes, driven by the standard protocol (WebDriver BiDi)."
    found = program(FIREFOX)
    if found is None:
        skip_loudly("no Firefox was found. On Debian: apt install firefox-esr")
    how = dict(channel="moz-firefox", executable_path=found)
    try:
        browser = playwright.firefox.launch(**how)
    except Exception:  # it begins slowly on a busy machine: once more
        browser = playwright.firefox.launch(**how)
    yield browser
    browser.close()


PAGE = "https://page.test/"  # answered by the test itself


def pages(browser, before: str = ""):
    """Give a function that opens HTML, or an address; what the page does wrong fails the test.

    `before` is a script that each page runs first.
    """
    contexts, wrong = [], []

    def open_page(
        html: str = "",
        url: str = PAGE,
        width: int = 1200,
        height: int = 900,
        scheme: str = "light",
        **options,
    ):
        own = ("data:", "blob:", "about:") + (() if html else ("/".join(url.split("/")[:3]) + "/",))
        context = browser.new_context(
            viewport=dict(width=width, height=height), color_scheme=scheme, **options
        )
        contexts.append(context)

        def answer(route):
            if html and route.request.url == PAGE:
                return route.fulfill(body=html, content_type="text/html; charset=utf-8")
            if route.request.url.startswith(own):
                return route.continue_()
            wrong.append(f"asked for {route.request.url}")
            route.abort()

        context.route("**/*", answer)
        if before:
            context.add_init_script(before)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"error in a script: {error}"))
        if html:  # what a program such as JupyterLab writes on its console is not ours
            page.on(
                "console",
                lambda message: (
                    message.type == "error"
                    and wrong.append(f"error on the console: {message.text}")
                ),
            )
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong, "\n".join(wrong)


@pytest.fixture
def open_page(chromium):
    "A function that opens a page in Chromium, see `pages`."
    yield from pages(chromium)


BASE64 = """array => { // of any typed array
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192)
        text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(text);
}"""


def compute(page, code, argument=None) -> bytes:
    "The bytes of the typed array that is `code`; in it `x` is the argument and `D` drumQtuner."
    return base64.b64decode(
        page.evaluate(
            f"async x => {{ const D = drumQtuner; return ({BASE64})(await ({code})); }}", argument
        )
    )


def samples(page, code, argument=None) -> np.ndarray:
    return np.frombuffer(compute(page, code, argument), np.float32)


TAP = """async () => { // keep what the page's master node puts out, and when
  const context = drumQtuner.audio(), type = "text/javascript";
  const code = `registerProcessor("tap", class extends AudioWorkletProcessor {
    process([input]) {
      this.port.postMessage([currentTime, Array.from(input[0] ?? new Float32Array(128))]);
      return true;
    }
  })`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type})));
  const tap = new AudioWorkletNode(context, "tap");
  window.heard = [];
  tap.port.onmessage = ({data}) => heard.push(data);
  drumQtuner.master.connect(tap).connect(context.destination); // it puts out silence
}"""


def start_recording(page):
    page.evaluate(TAP)


def recorded(page):
    "(samples a second, samples since the audio clock's zero), from `start_recording` on."
    rate, samples = page.evaluate(
        """() => {
      const rate = drumQtuner.context.sampleRate, last = heard.at(-1);
      const samples = new Float32Array(Math.round(last[0] * rate) + last[1].length);
      for (const [time, part] of heard) samples.set(part, Math.round(time * rate));
      return [rate, to64(samples)]; }""".replace("to64", f"({BASE64})")
    )
    return rate, np.frombuffer(base64.b64decode(samples), np.float32)


def onsets(samples, rate, floor=0.02):
    "Times in seconds at which something begins that is much louder than the 8 ms before."
    size = rate // 1000
    level = np.abs(samples[: len(samples) // size * size]).reshape(-1, size).max(1)
    before = np.array(
        [level[max(0, i - 8) : max(i - 1, 0)].max(initial=0) for i in range(len(level))]
    )
    loud = np.flatnonzero((level > floor) & (level > 2 * before))
    first = loud[np.diff(loud, prepend=-100) > 30]
    return first * size / rate


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    "One JupyterLab for all tests of a process: (address, folder); open a page with `&reset`."
    tmp_path = tmp_path_factory.mktemp("lab")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "notebooks"
    settings = tmp_path / "settings/@jupyterlab/apputils-extension"
    for path in (folder, settings):
        path.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    home = {
        name: str(tmp_path / name.lower())
        for name in (
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_RUNTIME_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "IPYTHONDIR",
        )
    }
    environment = {
        **os.environ,
        **home,
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "PYTHONPATH": os.pathsep.join(
            filter(
                None,
                (
                    os.path.dirname(os.path.dirname(drum_qtuner.__file__)),
                    os.environ.get("PYTHONPATH"),
                ),
            )
        ),
    }
    environment.pop("VSCODE_PID", None)
    with open(tmp_path / "lab.log", "w") as log:
        server = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "jupyterlab",
                "--no-browser",
                "--allow-root",
                "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.port={port}",
                "--ServerApp.port_retries=0",
                "--IdentityProvider.token=drums",
                f"--ServerApp.root_dir={folder}",
            ],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token=drums", timeout=2)
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "lab.log").read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        server.terminate()
        server.wait(30)
