"""Print the README: a notebook as Markdown, for the repository's front page and the package index.

    python .ci/readme.py nbs/index.ipynb > README.md

Cells marked `#| hide` or tagged `site` are left out, and relative links become those of the
repository's address: the package index shows the README alone, without the files beside it.
"""

import posixpath
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

DIRECTIVE = re.compile(r"^#\|.*\n?", re.MULTILINE)
LINK = re.compile(
    r"(?<=\]\()(?![a-z]+:|[#/])([^)\s]+)"
)  # [text](target), where target is a relative path


def address() -> str:
    "Where the files of the repository are seen."
    config = ConfigParser()
    config.read(Path(__file__).parent.parent / "settings.ini", encoding="utf-8")
    return "{git_url}/blob/{branch}".format(**config["DEFAULT"])


def absolute(markdown: str, folder: str) -> str:
    "`markdown` written in `folder`, with its relative links as addresses."
    root = address()
    return LINK.sub(lambda link: f"{root}/{posixpath.normpath(f'{folder}/{link[1]}')}", markdown)


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
            cell.source = absolute(cell.source, path.parent.name)
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
