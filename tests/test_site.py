"""What quarto is given: pages, links, alternative texts, widths on a phone, no outside request."""

import ast
import configparser
import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from helpers import cells, without_magics
from IPython.core.interactiveshell import InteractiveShell

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(ROOT.glob("nbs/**/*.ipynb"))
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def settings(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


# Pages


def groups_of_sidebar() -> dict[str, list[str]]:
    "The library's notebooks by group, as the sidebar has them."
    *_, library = settings("nbs/sidebar.yml")["website"]["sidebar"]["contents"]
    return {
        group["section"].lower(): [page["href"] for page in group["contents"]]
        for group in library["contents"]
    }


def test_every_notebook_stands_in_the_sidebar_once():
    sidebar = (ROOT / "nbs/sidebar.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "nbs").as_posix() for path in NOTEBOOKS]
    assert sorted(re.findall(r"href: (\S+)", sidebar)) == sorted(pages)


def test_sidebar_and_home_page_group_the_library_alike():
    home = "\n".join(cell["source"] for cell in cells(ROOT / "nbs/index.ipynb", "markdown"))
    rows = re.findall(r"^\| ([a-z ,]+) \| (\[.*)\|$", home, re.MULTILINE)
    told = {name: re.findall(r"\((lib/[^)]+)\)", row) for name, row in rows}
    assert told == groups_of_sidebar()


def test_lessons_stand_in_the_sidebar_by_number():
    course = settings("nbs/sidebar.yml")["website"]["sidebar"]["contents"][1]["contents"]
    lessons, others = course[:-2], course[-2:]
    assert [page["text"] for page in others] == ["Glossary", "Teach it"]
    assert all(page["text"][:2] == page["href"][:2] for page in lessons)
    assert [page["href"] for page in lessons] == sorted(page["href"] for page in lessons)


def test_settings_of_the_site():
    quarto, config = settings("_quarto.yml"), configparser.ConfigParser()
    config.read(ROOT / "settings.ini", encoding="utf-8")
    website, html = quarto["website"], quarto["format"]["html"]
    assert website["repo-subdir"] == config["DEFAULT"]["nbs_path"]
    assert html["respect-user-color-scheme"] is True
    assert all("theme.scss" in theme for theme in html["theme"].values())
    assert (ROOT / "nbs" / quarto["project"]["post-render"]).exists()
    for picture in (website["favicon"], website["open-graph"]["image"]):
        assert (ROOT / "nbs" / picture).read_bytes().startswith(b"\x89PNG")
    assert "$web-font-path: false;" in (ROOT / "nbs/theme.scss").read_text(encoding="utf-8")
    assert (ROOT / "nbs/404.qmd").exists()


def test_nbdev_finds_the_index_of_the_installed_package():
    from importlib.metadata import entry_points

    (index,) = (point for point in entry_points(group="nbdev") if point.name == "drum_qtuner")
    assert "drum_qtuner.beat" in index.load()["syms"]


def test_the_docs_workflow_builds_for_everybody_and_publishes_alone():
    workflow = settings(".github/workflows/docs.yml")
    assert workflow["permissions"] == {"contents": "read"}
    build, deploy = workflow["jobs"]["build"], workflow["jobs"]["deploy"]
    assert "permissions" not in build and deploy["permissions"]["id-token"] == "write"
    quarto = [step for step in build["steps"] if "quarto-actions/setup" in step.get("uses", "")]
    assert re.fullmatch(r"\d+\.\d+\.\d+", quarto[0]["with"]["version"])
    assert "pull_request" in workflow[True] and "pull_request" in deploy["if"]


# Notebooks


def is_import(statement) -> bool:
    return isinstance(statement, (ast.Import, ast.ImportFrom))


@each_notebook
def test_imports_have_cells_of_their_own(notebook):
    "The site runs cells with imports: with other code in them it would run that, too."
    for cell in cells(notebook, "code"):
        source = without_magics(cell["source"])
        if re.match(r"#\|\s*exports?\b", source):
            continue
        kinds = {is_import(statement) for statement in ast.parse(source).body}
        assert len(kinds) < 2, f"imports and other code in one cell:\n{cell['source']}"


@each_notebook
def test_every_picture_is_told_in_words(notebook):
    for cell in cells(notebook, "code"):
        for output in cell["outputs"]:
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                assert re.search(r"^#\| fig-alt: \"\S+ .+\"$", cell["source"], re.MULTILINE), cell[
                    "source"
                ]
            html = re.sub(
                r"<script.*?</script>", "", "".join(data.get("text/html", "")), flags=re.S
            )
            assert all(re.search(r'alt="[^"]+"', image) for image in re.findall("<img[^>]*>", html))
            assert "<svg" not in html, "an untrusted notebook shows no inline SVG"


@pytest.mark.parametrize(
    "lesson", sorted(ROOT.glob("nbs/[0-9]*.ipynb")), ids=lambda path: path.stem
)
def test_a_lesson_opens_in_colab(lesson):
    prose = "\n".join(cell["source"] for cell in cells(lesson, "markdown"))
    assert (
        f"(https://colab.research.google.com/github/drum-qtuner/drum_qtuner/blob/main/nbs/{lesson.name})"
        in prose
    )
    assert any("%pip install" in cell["source"] for cell in cells(lesson, "code")[:2])


IN_COLAB = {"ipython", "ipywidgets", "traitlets"}  # of its own versions, which must stay


def test_the_cell_for_colab_fetches_the_course_and_what_it_needs():
    "The same in every lesson: package, tables beside the lessons, and Colab's own IPython stays."
    lessons = sorted(ROOT.glob("nbs/[0-9]*.ipynb"))
    found = {c["source"] for path in lessons for c in cells(path, "code") if "%pip" in c["source"]}
    (source,) = found
    done: list[str] = []

    class Shell(InteractiveShell):
        def system(self, line):
            done.append(line)

        def run_line_magic(self, name, line, *rest, **more):
            done.append(f"{name} {line}")

    Shell().run_cell(source).raise_error()
    assert done == []  # nothing happens anywhere else
    Shell.__module__ = "google.colab._shell"
    Shell().run_cell(source).raise_error()
    home, clone, install, there = done
    assert (home, there) == ("cd -q /content", "cd -q course/nbs")
    assert "git clone" in clone and "github.com/drum-qtuner/drum_qtuner course" in clone
    extras, more = re.fullmatch(r'pip install -q "\./course\[(.+)\]" (.+)', install).groups()
    config = configparser.ConfigParser()
    config.read(ROOT / "settings.ini", encoding="utf-8")
    asked = [config["DEFAULT"][f"{extra}_requirements"] for extra in extras.split(",")]
    names = {re.split(r"[<>=;]", line)[0] for line in " ".join(asked).split()} | {*more.split()}
    course = config["DEFAULT"]["course_requirements"].split()
    assert {re.split(r"[<>=;]", line)[0] for line in course} - names == IN_COLAB


def anchors(notebook: Path) -> set[str]:
    "The addresses of a page's headings, as quarto makes them."
    prose = "\n".join(cell["source"] for cell in cells(notebook, "markdown"))
    words = [re.sub(r"[^\w\s.-]", "", title) for title in re.findall(r"^#+ (.+)$", prose, re.M)]
    return {re.sub(r"^[^a-z]+", "", re.sub(r"\s+", "-", title.lower())) for title in words}


@each_notebook
def test_links_lead_to_a_heading_that_is_there(notebook):
    prose = "\n".join(cell["source"] for cell in cells(notebook, "markdown"))
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", prose):
        page = (notebook.parent / target) if target else notebook
        assert anchor in anchors(page), f"{target}#{anchor}"


# Pages when quarto has made them


@pytest.fixture(scope="module")
def site():
    "The script that quarto runs after it has made the pages."
    spec = importlib.util.spec_from_file_location("finish_site", ROOT / "scripts/finish_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TAGS = """<script src="https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js"
 integrity="sha512-x" crossorigin="anonymous"></script>
<script src="https://cdnjs.cloudflare.com/ajax/libs/jquery/3.5.1/jquery.min.js"
 integrity="sha512-y" crossorigin="anonymous" data-relocate-top="true"></script>
<script type="application/javascript">
define('jquery', [],function() {return window.jQuery;})</script>
"""
PAGE = """<!DOCTYPE html><html lang="en"><head><meta name="viewport" content="width=device-width">
<title>A page</title>{tags}<style>{style}</style></head><body>{body}
<script>window.drawn = "<table>" + "</table>";</script></body></html>"""


def test_the_three_tags_go_and_tables_scroll(site, tmp_path):
    body, listing = "<table><tr><td>1</td></tr></table>", "<pre class='code'>1</pre>"
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(tags=TAGS, style="", body=body + listing), encoding="utf-8")
    site.finish(tmp_path)
    page = path.read_text(encoding="utf-8")
    assert "http" not in page and "define(" not in page
    assert page.count('class="wide"') == 1 and f"{body}</div>" in page
    assert """<pre tabindex="0" class='code'>1</pre>""" in page
    assert 'window.drawn = "<table>" + "</table>"' in page  # scripts stay as they were
    site.finish(tmp_path)
    assert path.read_text(encoding="utf-8") == page


def test_a_page_that_loads_from_elsewhere_stops_the_build(site, tmp_path):
    asked = '<link rel="stylesheet" href="https://fonts.example/x.css">'
    (tmp_path / "page.html").write_text(PAGE.format(tags=asked, style="", body=""))
    with pytest.raises(SystemExit, match="page.html: the page would load https://fonts.example"):
        site.finish(tmp_path)
    with pytest.raises(SystemExit, match="no page is there"):
        site.finish(tmp_path / "nothing")


def test_wide_things_scroll_by_themselves_on_a_phone(open_page, site):
    "A long formula and a wide table, with the theme's own rules, at 390 pixels."
    theme = (ROOT / "nbs/theme.scss").read_text(encoding="utf-8")
    rules = re.sub(r"^//.*$", "", theme.split("/*-- scss:rules --*/")[1], flags=re.MULTILINE)
    terms = "<mo>+</mo>".join(f"<mi>aaaa</mi><mn>{i}</mn>" for i in range(60))
    formula = f'<math display="block"><mrow>{terms}</mrow></math>'
    table = "<table><tr>" + "<td>wide_and_unbroken</td>" * 20 + "</tr></table>"
    html = PAGE.format(tags=TAGS, style=rules, body=f"<main>{formula}{table}</main>")
    page = open_page(site.finished(html), width=390, height=800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.get_by_role("region", name="Table")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.wide').scrollLeft > 0")
