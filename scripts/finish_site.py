"""Finish the pages that quarto has made: nothing comes from elsewhere, all scrolls by keyboard,
and a lesson that runs in a browser has a link to where it does.

    python scripts/finish_site.py _docs

Quarto calls this after rendering (`post-render` in _quarto.yml), in the folder it has rendered,
and says in QUARTO_PROJECT_OUTPUT_DIR where the pages are. To every page with HTML output it adds
jQuery and RequireJS from a content network. Nothing here uses them, and without a network the
third tag, which calls what the others define, is an error. What `make lite` has built goes into
the site as `lite/`.
"""

import os
import re
import shutil
import sys
from pathlib import Path

TAGS = re.compile(
    r"""<script\b[^>]*\bsrc="https?://[^"]*/(?:require|jquery)[^"]*"[^>]*></script>\s*
    |<script\b[^>]*>\s*define\('jquery',.*?</script>\s*""",
    re.DOTALL | re.VERBOSE,
)
SCRIPT = re.compile(r"(<script\b.*?</script>)", re.DOTALL)
TABLE = re.compile(r"<table\b.*?</table>", re.DOTALL)
LISTING = re.compile(r"<pre\b(?![^>]*\btabindex)")
COLAB = re.compile(r"<a\b[^>]*>Open in Colab</a>")
LITE = Path(__file__).resolve().parent.parent / "_lite"
BOX = '<div class="wide" tabindex="0" role="region" aria-label="Table">'
ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe|audio|video|source)\b[^>]*\bsrc="(https?://[^"]+)
    |<link\b(?=[^>]*\brel="(?:stylesheet|preload|icon|modulepreload)")[^>]*\bhref="(https?://[^"]+)""",
    re.VERBOSE,
)


def finished(html: str) -> str:
    "A page without the three tags, whose tables (in boxes) and listings take the focus."
    parts = SCRIPT.split(TAGS.sub("", html))
    for i, part in enumerate(parts[::2]):
        part = TABLE.sub(lambda table: f"{BOX}{table[0]}</div>", part)
        parts[2 * i] = LISTING.sub('<pre tabindex="0"', part)
    return "".join(parts)


def linked(html: str, name: str) -> str:
    "The page of a lesson with a link, beside the one to Colab, to where it runs in a browser."
    there = f"lite/notebooks/index.html?path=nbs/{name}.ipynb"
    return COLAB.sub(rf'\g<0> · <a href="{there}">Open in the browser</a>', html)


def elsewhere(html: str) -> list[str]:
    "The addresses from which a page would load something."
    return [script or sheet for script, sheet in ELSEWHERE.findall(html)]


def finish(folder: Path, lite: Path = LITE):
    "All pages of a site, or an error that names a page that still asks for something elsewhere."
    pages = sorted(set(folder.rglob("*.html")) - set(folder.glob("lite/**/*.html")))
    in_a_browser = {path.stem for path in lite.glob("files/nbs/*.ipynb")}
    if not pages:
        raise SystemExit(f"{folder}: no page is there")
    for path in pages:
        html = path.read_text(encoding="utf-8")
        if BOX not in html:  # else it was finished before
            html = finished(html)
            html = linked(html, path.stem) if path.stem in in_a_browser else html
            path.write_text(html, encoding="utf-8")
        if asked := elsewhere(html):
            raise SystemExit(f"{path}: the page would load {asked[0]}")
    if in_a_browser:
        shutil.copytree(lite, folder / "lite", dirs_exist_ok=True)


if __name__ == "__main__":
    finish(Path(sys.argv[1] if sys.argv[1:] else os.environ["QUARTO_PROJECT_OUTPUT_DIR"]))
