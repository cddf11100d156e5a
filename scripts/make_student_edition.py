"""Write the notebooks without the solutions of their exercises: `make students`."""

import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbconvert.preprocessors import TagRemovePreprocessor
from traitlets.config import Config

NOTEBOOKS = Path(__file__).resolve().parent.parent / "nbs"
LEFT_OUT = (".ipynb_checkpoints", "exercises*.ipynb")  # the second hold the solutions
LINK = re.compile(r"\[([^\]]*)\]\((?:[^)\s]*/)?exercises\w*\.ipynb[^)\s]*\)")  # to what is left out


def without_solutions(notebook):  # a notebook, as nbformat reads it
    "The notebook without the cells that carry the tag `solution`, and without links to solutions."
    config = Config(TagRemovePreprocessor={"remove_cell_tags": ["solution"], "enabled": True})
    notebook = TagRemovePreprocessor(config=config).preprocess(notebook, {})[0]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1", cell.source)
    return notebook


def make_student_edition(folder: Path):
    "Copy `nbs/` to `folder`, which must not exist yet, and leave the solutions out."
    if folder.exists():
        raise SystemExit(f"{folder} exists already, and may hold a student's work: name another")
    shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for path in sorted(folder.rglob("*.ipynb")):
        nbformat.write(without_solutions(nbformat.read(path, as_version=4)), path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Name the folder to write to: make_student_edition.py FOLDER")
    make_student_edition(Path(sys.argv[1]))
    print(f"The lessons without solutions are in {sys.argv[1]}")
