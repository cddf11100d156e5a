"""Write the notebooks without the solutions of their exercises: `make students`."""

import shutil
import sys
from pathlib import Path

import nbformat
from nbconvert.preprocessors import TagRemovePreprocessor
from traitlets.config import Config

NOTEBOOKS = Path(__file__).resolve().parent.parent / "nbs"
LEFT_OUT = (".ipynb_checkpoints", "exercises.ipynb")  # the second holds the solutions


def without_solutions(notebook):  # a notebook, as nbformat reads it
    "The notebook without the cells that carry the tag `solution`."
    config = Config(TagRemovePreprocessor={"remove_cell_tags": ["solution"], "enabled": True})
    return TagRemovePreprocessor(config=config).preprocess(notebook, {})[0]


def make_student_edition(folder: Path):
    "Copy `nbs/` to `folder`, which must not exist yet, and leave the solutions out."
    if folder.exists():
        raise SystemExit(f"{folder} exists already, and may hold a student's work: name another")
    shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for path in sorted(folder.glob("*.ipynb")):
        nbformat.write(without_solutions(nbformat.read(path, as_version=4)), path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Name the folder to write to: make_student_edition.py FOLDER")
    make_student_edition(Path(sys.argv[1]))
    print(f"The lessons without solutions are in {sys.argv[1]}")
