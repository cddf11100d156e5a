"""The map of the house in CONTRIBUTING.md is true: modules, their order, and what imports what."""

import ast
import re
from pathlib import Path

import pytest
from helpers import cells, without_magics

import drum_qtuner

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(path for path in ROOT.glob("drum_qtuner/*.py") if not path.name.startswith("_"))
NOTEBOOKS = sorted(ROOT.glob("nbs/**/*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if re.match(r"\d\d_", path.name)]
MAP = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ORDER = re.findall(r"^\| `(\w+)` \|", MAP, re.MULTILINE)  # from the ground up


def package_imports(tree: ast.AST) -> set[str]:
    "The modules of this package that the code imports anywhere: inside functions and by name too."
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            base = f"drum_qtuner.{node.module or ''}".rstrip(".") if node.level else node.module
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        if isinstance(node, ast.Call):
            found |= {imported_by_name(node)} - {None}
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "drum_qtuner":
            found.add(f"drum_qtuner.{node.attr}")
    # a public name of the package stands for the module that holds it
    held = drum_qtuner._module_of
    found |= {f"drum_qtuner.{held.get(name.removeprefix('drum_qtuner.'), '')}" for name in found}
    names = {name.split(".")[1] for name in found if re.match(r"drum_qtuner\.\w", name)}
    return names & {path.stem for path in MODULES}


def imported_by_name(call: ast.Call) -> str | None:
    "The module that `__import__` or `import_module` gets; one that cannot be read is an error."
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name not in ("__import__", "import_module"):
        return None
    assert isinstance(call.args[0], ast.Constant), f"line {call.lineno} imports what cannot be read"
    return call.args[0].value


def programs(path: Path) -> list[str]:
    "The code cells of a notebook as Python."
    return [without_magics(cell["source"]) for cell in cells(path, "code")]


def exported(path: Path) -> str | None:
    "The module that a notebook makes."
    found = re.search(r"#\|\s*default_exp (\w+)", "\n".join(programs(path)))
    return found[1] if found else None


def test_the_map_has_every_module_once():
    assert sorted(ORDER) == [path.stem for path in MODULES]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_go_to_the_ground(path):
    "A module imports only what stands above it in the map, so there is no circle either."
    above = set(ORDER[: ORDER.index(path.stem)])
    wrong = package_imports(ast.parse(path.read_text(encoding="utf-8"))) - above
    assert not wrong, f"{path.stem} imports {', '.join(sorted(wrong))}"


def test_imports_of_all_kinds_are_seen():
    "The check sees imports inside functions, of the whole module, and by name."
    code = """
def f():
    from .beat import KIT
    from drum_qtuner import midi
    import drum_qtuner.sound
    __import__("drum_qtuner.fit")
    importlib.import_module("drum_qtuner.store")
    from drum_qtuner import load_clips
    drum_qtuner.tune
    """
    expected = {"beat", "midi", "sound", "fit", "store", "preprocessing", "dqn_tuning"}
    assert package_imports(ast.parse(code)) == expected
    with pytest.raises(AssertionError, match="line 1 imports what cannot be read"):
        package_imports(ast.parse("importlib.import_module(name)"))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_needs_no_later_lesson(path):
    """What a lesson imports is of the library, or was exported by a lesson before it.

    Lesson 00 shows the finished instrument first, so it may use the package's public names.
    """
    later = {exported(lesson) for lesson in LESSONS[LESSONS.index(path) + 1 :]} - {None}
    used = set()
    for source in programs(path):
        if path.stem.startswith("00_"):
            source = re.sub(r"^from drum_qtuner import .*$", "", source, flags=re.MULTILINE)
        used |= package_imports(ast.parse(source))
    assert not used & later


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_stands_on_its_shelf(path):
    """A library notebook carries the name of its module, a lesson that of its module and a number.

    Lesson 08 is about rewards and makes `percussion`, since `rewards` is what all of them share."""
    name = exported(path)
    if path.parent.name == "lib":
        assert name == path.stem
    elif name:
        name = {"percussion": "rewards"}.get(name, name)
        assert re.fullmatch(rf"\d\d_{name}", path.stem)


def test_lessons_are_numbered_in_two_digits():
    "Nothing but lessons, the index, the glossary and the teacher's guide is on the front shelf."
    front = {path.stem for path in ROOT.glob("nbs/*.ipynb")}
    assert front == {path.stem for path in LESSONS} | {"index", "glossary", "teaching"}
