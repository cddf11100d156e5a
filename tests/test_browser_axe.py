"""What people who hear a page, or use it with keys, would stumble over, as axe-core finds it."""

import re

import pytest
from blind import SMALL
from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from reports import report_page

from drum_qtuner.beat_player import player_page
from drum_qtuner.grooves import GROOVES
from drum_qtuner.listening import listening_page
from drum_qtuner.pads import drum_pads
from drum_qtuner.studio import studio_page
from drum_qtuner.web import page as web_page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
STYLE = (
    "body{max-width:1000px;margin:auto;font-family:system-ui}img{max-width:100%}"
    "@media (prefers-color-scheme:dark){body{background:#121212;color:#ddd}a{color:#8ab4f8}}"
    "pre,table{overflow-x:auto;display:block}code{overflow-wrap:break-word}"  # as on the site
)


def notebook_page(path) -> str:
    "A notebook in a plain page, with listings that take the focus, as in the finished site."
    body, _ = HTMLExporter(template_name="basic").from_filename(path)
    return web_page("Notebook", body.replace("<pre", '<pre tabindex="0"'), STYLE)


def prose_page(path) -> str:
    "A page of the site that is prose alone: its title and its text."
    _, head, text = path.read_text(encoding="utf-8").split("---\n", 2)
    title = re.search(r"title: (.+)", head)[1].strip('"')
    return web_page(title, f"<h1>{title}</h1>{markdown2html(text)}", STYLE)


PAGES = {
    "studio": lambda repo: studio_page(models=["note_cnn"]),
    "player": lambda repo: player_page({"rock": GROOVES["rock"], "samba": GROOVES["samba"]}),
    "pads": lambda repo: web_page("Pads", f"<h1>Pads</h1>{drum_pads().data}"),
    "listening test": lambda repo: listening_page(SMALL),
    "home": lambda repo: notebook_page(repo / "nbs/index.ipynb"),
    "404": lambda repo: prose_page(repo / "nbs/404.qmd"),
    "report": lambda repo: report_page(),
    "library": lambda repo: notebook_page(repo / "nbs/lib/beat_player.ipynb"),
    "lesson": lambda repo: notebook_page(repo / "nbs/01_beat.ipynb"),
}


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [(name, 390, "dark") for name in PAGES if name != "lesson"]
    + [(name, 1280, "light") for name in PAGES if name != "home"],
)
def test_axe_finds_nothing(open_page, repo, name, width, scheme):
    axe = repo / "node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not there: npm ci")
    page = open_page(PAGES[name](repo), width=width, scheme=scheme)
    page.wait_for_timeout(300)
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)["violations"]
    assert not found, [(one["id"], one["nodes"][0]["html"][:200]) for one in found]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
