"""The lessons in a browser: Python of a web page, without torch, threads and processes."""

import functools
import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

pytestmark = pytest.mark.xdist_group("lite")  # the lessons run once
ROOT = Path(__file__).resolve().parent.parent


def script(name: str):
    "A program of `scripts/` as a module."
    spec = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LITE = script("make_lite")
PYODIDE = json.loads((ROOT / "tests/data/pyodide.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def contents(tmp_path_factory) -> Path:
    "The lessons as they go into the site."
    folder = tmp_path_factory.mktemp("lite") / "contents"
    LITE.write_lessons(folder)
    return folder


def test_lessons_are_whole_but_for_what_needs_torch(contents):
    "Every cell is there, or a line in its place; the first one installs what is needed."
    for name in LITE.LESSONS:
        lesson = nbformat.read(ROOT / f"nbs/{name}.ipynb", as_version=4)
        cells = nbformat.read(contents / f"nbs/{name}.ipynb", as_version=4).cells
        sources = [cell.source for cell in cells]
        assert LITE.INSTALL in sources and "**In the browser.**" in sources[2]
        with_torch = [c for c in lesson.cells if "torch" in c.metadata.get("tags", [])]
        assert sum("which needs torch" in source for source in sources) == len(with_torch)
        prose = [s for s in sources if s.startswith("#| ") or "](lib/" in s or "](0" in s]
        linked = [f"{name}.ipynb" for name in LITE.LESSONS]
        assert all(any(f"]({there}" in s for there in linked) for s in prose), prose
        kept = len([c for c in lesson.cells if LITE.DIRECTIVE.sub("", c.source).strip()])
        assert len(cells) == kept + 1


IN_A_BROWSER = """
import json, os, signal, subprocess, sys, threading, warnings

class Without:
    "Finds what another finder finds, but nothing that is not there in a web page."

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *rest):
        return None if name.split(".")[0] in HIDDEN else self.finder.find_spec(name, *rest)

    def __getattr__(self, name):
        return getattr(self.finder, name)

def no_thread(*rest):
    raise RuntimeError("can't start new thread")

def no_process(*rest, **options):
    raise OSError(138, "Not supported")

sys.meta_path[:] = map(Without, sys.meta_path)
for name in HIDDEN:
    assert name not in sys.modules, name
import anywidget, matplotlib.pyplot, pandas, scipy.stats  # as they are on this machine
from IPython.core.interactiveshell import InteractiveShell
threading.Thread.start, subprocess.Popen.__init__ = no_thread, no_process
os.fork = no_process
del signal.setitimer, signal.alarm
sys.platform = "emscripten"
warnings.filterwarnings("ignore", "Unable to import LDSO")
errors = {}
for notebook in NOTEBOOKS:
    shell = InteractiveShell()
    shell.history_manager.enabled = False
    shell.display_formatter.active_types = shell.display_formatter.format_types
    os.chdir(os.path.dirname(notebook))
    for cell in json.load(open(notebook))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and not source.startswith("%pip"):
            done = shell.run_cell(source)
            if error := done.error_before_exec or done.error_in_exec:
                errors[notebook] = f"{type(error).__name__}: {error}"
                break
assert "torch" not in sys.modules
json.dump(errors, open(ERRORS, "w"))
"""


def hidden() -> set[str]:
    "What cannot be imported in a web page, of all that the package and its extras bring."
    from drum_qtuner.extras import EXTRAS

    there = {"IPython", "sklearn", *PYODIDE["packages"], *LITE.PLAIN, *LITE.OF_SEVERAL}
    return {*" ".join(EXTRAS.values()).split()} - there | {"soundfile"}


WRONG = {  # a cell, and what is said of it
    "import torch": "No module named 'torch'",
    "import threading\nthreading.Thread(target=len).start()": "can't start new thread",
    "import subprocess\nsubprocess.run('ls')": "Not supported",
    "import drum_qtuner\ndrum_qtuner.tune": "MissingExtra: torch is not there in a web page",
}
LAB = """
from drum_qtuner.labs import reward_lab
from drum_qtuner.percussion import backbeat
lab = reward_lab(backbeat)
raise ValueError(lab.shown, *lab._repr_mimebundle_())
"""


@pytest.fixture(scope="module")
def errors(contents, tmp_path_factory) -> dict[str, str]:
    "What went wrong in lessons and in other cells, in one process that is like a web page."
    folder = tmp_path_factory.mktemp("pages")
    notebooks = {name: contents / f"nbs/{name}.ipynb" for name in LITE.LESSONS}
    for number, source in enumerate([*WRONG, LAB]):
        path = notebooks[source] = folder / f"{number}.ipynb"
        path.write_text(json.dumps(dict(cells=[dict(cell_type="code", source=source)])))
    given = dict(HIDDEN=hidden(), NOTEBOOKS=[*map(str, notebooks.values())])
    given["ERRORS"] = str(folder / "errors.json")
    lines = "".join(f"{name} = {value!r}\n" for name, value in given.items())
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path, "MPLBACKEND": "agg"}
    command = [sys.executable, "-c", lines + IN_A_BROWSER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "errors.json").read_text())
    return {name: found[str(path)] for name, path in notebooks.items() if str(path) in found}


@pytest.mark.parametrize("name", LITE.LESSONS)
def test_runs_from_top_to_bottom(name, errors):
    assert {"torch", "numba", "soundfile", "music21"} <= hidden()
    assert name not in errors, errors[name]


@pytest.mark.parametrize("source", WRONG)
def test_a_web_page_lacks_what_it_lacks(source, errors):
    "The run above is no test that cannot fail."
    assert WRONG[source] in errors[source]


def test_a_lab_that_needs_torch_says_so_in_a_line(errors):
    "And it shows its controls: a page is there that can."
    assert "<p><b>torch is not there in a web page: open this in Colab" in errors[LAB]
    assert "application/vnd.jupyter.widget-view+json" in errors[LAB]


def requirements(name: str) -> list[Requirement]:
    "What a package asks for in a web page."
    from importlib.metadata import requires

    place = default_environment() | PYODIDE["environment"]
    asked = [Requirement(line) for line in requires(name) or []]
    return [r for r in asked if r.marker is None or r.marker.evaluate(place | {"extra": ""})]


def test_all_that_is_asked_for_is_there():
    "Whatever the lessons install, Pyodide has in a version that fits, or the site brings along."
    import configparser

    config = configparser.ConfigParser()
    config.read(ROOT / "settings.ini", encoding="utf-8")
    place = default_environment() | PYODIDE["environment"]
    ours = [Requirement(line) for line in config["DEFAULT"]["requirements"].split()]
    todo = [r for r in ours if r.marker is None or r.marker.evaluate(place | {"extra": ""})]
    assert len(ours) - len(todo) == 1  # soundfile
    todo += [Requirement(name) for name in LITE.WANTED[1:]]
    brought = {name.replace("_", "-") for name in LITE.PLAIN + LITE.OF_SEVERAL}
    brought |= {"widgetsnbextension"}  # which the kernel of JupyterLite has
    seen = set()
    while todo:
        asked = todo.pop()
        name = asked.name.lower().replace("_", "-")
        if name in brought:
            if name not in seen and name != "widgetsnbextension":
                todo += requirements(name)
        else:
            version = PYODIDE["packages"].get(name)
            assert version, f"nobody has {name}"
            assert asked.specifier.contains(version), f"{asked}, and Pyodide has {version}"
        seen.add(name)
    assert {"numpy", "six", "safetensors", *brought} <= seen


@pytest.fixture
def served(contents, tmp_path):
    "The address of the site, with the lessons and no wheels."
    pytest.importorskip("jupyterlite_core", reason="pip install jupyterlite-core")
    pytest.importorskip("jupyterlite_pyodide_kernel", reason="jupyterlite-pyodide-kernel")
    (tmp_path / "contents").symlink_to(contents)
    folder = LITE.build(tmp_path)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *rest):
            pass

    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_the_site_opens_a_lesson(served, chromium):
    "From local files alone; only Python itself is asked for elsewhere."
    page = chromium.new_page()
    elsewhere = []

    def answer(route):
        if route.request.url.startswith((served, "data:", "blob:")):
            return route.continue_()
        elsewhere.append(route.request.url)
        route.abort()

    page.context.route("**/*", answer)
    page.goto(f"{served}/notebooks/index.html?path=nbs/00_press_play.ipynb")
    page.get_by_role("heading", name="Press play").wait_for()
    page.get_by_text("Python (Pyodide)").first.wait_for()
    assert all("/pyodide/v" in url for url in elsewhere), elsewhere
    page.context.close()


def test_lessons_of_the_site_link_to_where_they_run(tmp_path):
    "Those that are there, and no others; the site holds what was built."
    finish = script("finish_site").finish
    lite, site = tmp_path / "_lite", tmp_path / "_docs"
    (lite / "files/nbs").mkdir(parents=True)
    (lite / "notebooks").mkdir()
    (lite / "files/nbs/00_press_play.ipynb").write_text("{}")
    (lite / "notebooks/index.html").write_text('<script src="https://elsewhere.test/x"></script>')
    site.mkdir()
    colab = (
        '<p><a href="https://colab.test/x" class="external">Open in Colab</a></p><table></table>'
    )
    for name in ("00_press_play", "05_dqn_tuning"):
        (site / f"{name}.html").write_text(colab)
    for _ in range(2):
        finish(site, lite)
        link = (
            ' · <a href="lite/notebooks/index.html?path=nbs/00_press_play.ipynb">Open in the'
            " browser</a></p>"
        )
        assert (site / "00_press_play.html").read_text().count(link) == 1
        assert "browser" not in (site / "05_dqn_tuning.html").read_text()
        assert (site / "lite/notebooks/index.html").exists()
