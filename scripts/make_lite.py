"""Build the lessons that need no torch as a JupyterLite site: Python in the browser, `make lite`.

    python scripts/make_lite.py _lite

The page loads Python itself, numpy and other compiled packages from Pyodide's own address when
somebody opens it. What is not there lies in the site: our wheel and small ones in plain Python.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
LESSONS = [
    "00_press_play",
    "01_beat",
    "02_preprocessing",
    "04_q_learning",
    "08_rewards",
    "11_ask_the_class",
]
DATA = ["tests/data/authors_clips_first1100.npy"]  # what these lessons read beside the package
SOURCES = "setup.py settings.ini pyproject.toml MANIFEST.in README.md CHANGELOG.md LICENSE".split()
OF_SEVERAL = ["psygnal"]  # has wheels for each machine, too
PLAIN = [  # packages of plain Python that Pyodide does not have
    "anywidget",
    "comm",
    "fastcore",
    "filelock",
    "importlib_resources",
    "ipywidgets",
    "jupyterlab_widgets",
    "krippendorff",
    "mido",
    "pretty_midi",
    "pyloudnorm",
]
COMPILED = ["matplotlib", "pandas", "scipy"]  # and what the package itself asks for
WANTED = ["drum-qtuner", "anywidget", "ipywidgets", "krippendorff", "pyloudnorm", *COMPILED]
INSTALL = f"%pip install -q {' '.join(WANTED)}"
NOTE = (
    "**In the browser.** Python runs in this page, on your own machine, and nothing is sent"
    " anywhere. The first cell loads it, which takes a while the first time. A step takes a few"
    " times as long as on a computer with Python. What needs torch is left out, and says so."
)
LEFT_OUT = (
    "*Here the lesson trains a network, which needs torch, and that does not run in a browser:"
    " [see what came out]({page}).*"
)
CONFIG = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {"appName": "drum_qtuner", "defaultKernelName": "python"},
}
DIRECTIVE = re.compile(r"^#\|.*\n?", re.MULTILINE)  # to nbdev and quarto
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)\.ipynb")


def site() -> str:
    "The address of the documentation."
    config = ConfigParser()
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]["doc_host"] + config["DEFAULT"]["doc_baseurl"]


def edition(notebook, name: str):  # a notebook, as nbformat reads it; its name without ending
    "A lesson as it runs in a browser, without outputs."
    page = f"{site()}/{name}.html"
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(
                lambda link: link[0] if link[1] in LESSONS else f"]({site()}/{link[1]}.html",
                cell.source,
            )
        elif "%pip install" in cell.source:
            cell.source, cell.outputs = INSTALL, []
        elif "torch" in cell.metadata.get("tags", []):
            notebook.cells[i] = nbformat.v4.new_markdown_cell(
                LEFT_OUT.format(page=page), id=cell.id
            )
        else:
            cell.source = DIRECTIVE.sub("", cell.source)
            cell.outputs, cell.execution_count = [], None
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    notebook.cells.insert(2, nbformat.v4.new_markdown_cell(NOTE, id="in-the-browser"))
    notebook.metadata["kernelspec"] = {
        "display_name": "Python (Pyodide)",
        "language": "python",
        "name": "python",
    }
    return notebook


def write_lessons(folder: Path):
    "The lessons and what they read, laid out as in the repository."
    for name in LESSONS:
        notebook = nbformat.read(ROOT / "nbs" / f"{name}.ipynb", as_version=4)
        (folder / "nbs").mkdir(parents=True, exist_ok=True)
        nbformat.write(edition(notebook, name), folder / "nbs" / f"{name}.ipynb")
    for name in DATA:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def write_wheels(folder: Path):
    "Our wheel, built afresh from a copy, and the plain ones."
    source = folder.with_name("source")
    shutil.copytree(ROOT / "drum_qtuner", source / "drum_qtuner")
    for name in SOURCES:
        shutil.copy(ROOT / name, source / name)
    python = [sys.executable, "-m"]
    run = [*python, "build", "--no-isolation", "--outdir", folder, source]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    for source in folder.glob("*.tar.gz"):
        source.unlink()
    options = ["-q", "--no-deps", "-c", ROOT / "constraints.txt"]
    subprocess.run([*python, "pip", "wheel", *options, "-w", folder, *PLAIN], check=True)
    any_machine = ["--platform", "any", "--only-binary=:all:", "-d", folder]
    subprocess.run([*python, "pip", "download", *options, *any_machine, *OF_SEVERAL], check=True)


def build(work: Path) -> Path:  # a folder with `contents` and `wheels`; where the site is
    "Call JupyterLite."
    (work / "jupyter-lite.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    command = [Path(sys.executable).with_name("jupyter-lite"), "build", "--no-sourcemaps"]
    command += ["--contents", "contents", "--output-dir", work / "site"]
    command += ["--apps", "notebooks", "--apps", "lab"]
    for wheel in sorted((work / "wheels").glob("*.whl")):
        command += ["--piplite-wheels", wheel]
    subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
    return work / "site"


def make_lite(folder: Path):
    "The site in `folder`, which is made anew."
    if folder.exists() and not (folder / "jupyter-lite.json").exists():
        raise SystemExit(f"{folder} exists already, and is no such site: name another")
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        write_lessons(work / "contents")
        write_wheels(work / "wheels")
        site = build(work)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(site, folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Name the folder to write to: make_lite.py FOLDER")
    make_lite(Path(sys.argv[1]))
    print(f"The lessons that run in a browser are in {sys.argv[1]}: serve it, for example with")
    print(f"    python -m http.server -d {sys.argv[1]}")
