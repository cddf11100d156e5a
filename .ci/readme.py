"""Print the README: a notebook as Markdown, as it reads on the repository's front page.

    python .ci/readme.py nbs/index.ipynb > README.md

Cells marked `#| hide` or tagged `site` are left out, and relative links are made to start at the
repository's root.
"""

import posixpath
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

DIRECTIVE = re.compile(r"^#\|.*\n?", re.MULTILINE)
LINK = re.compile(
    r"(?<=\]\()(?![a-z]+:|[#/])([^)\s]+)"
)  # [text](target), where target is a relative path


def from_root(markdown: str, folder: str) -> str:
    "`markdown` written in `folder`, with its relative links starting at the root."
    return LINK.sub(lambda link: posixpath.normpath(f"{folder}/{link[1]}"), markdown)


def render(path: Path) -> str:
    "The notebook at `path` as Markdown."
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["language_info"] = {"name": "python"}  # nbdev_clean drops it
    notebook.cells = [
        cell
        for cell in notebook.cells
        if not re.match(r"#\|\s*hide\b", cell.source)
        and "site" not in cell.metadata.get("tags", [])
    ]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = from_root(cell.source, path.parent.name)
        else:
            cell.source = DIRECTIVE.sub("", cell.source)
    markdown, resources = MarkdownExporter().from_notebook_node(notebook)
    if resources["outputs"]:
        raise ValueError(
            f"{path}: a cell has a picture as output; save it to a file and link to it"
        )
    return re.sub(r"\n{3,}", "\n\n", markdown.strip()) + "\n"


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write(render(Path(sys.argv[1])))
