"""The package as a whole: quick to import, true to its settings, its parts in one order."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import drum_qtuner
from drum_qtuner.extras import EXTRAS

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted(path for path in ROOT.glob("drum_qtuner/*.py") if not path.name.startswith("_"))
IMPORTED_AS = {
    "scikit-learn": "sklearn",
    "pyfluidsynth": "fluidsynth",
    "tensorflow-datasets": "tensorflow_datasets",
    "ipython": "IPython",
}
BUNDLES = ["course", "dev"]  # extras that bring others
HEAVY = set(" ".join(EXTRAS.values()).split()) | {"nbdev"}


@pytest.fixture(scope="module")
def settings():
    config = configparser.ConfigParser()
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return config["DEFAULT"]


def requirements(text: str) -> dict[str, Requirement]:
    return {requirement.name: requirement for requirement in map(Requirement, text.split())}


def imported(tree: ast.AST) -> set[str]:
    "The full names of all modules that the nodes of `tree` import."
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(f"drum_qtuner.{node.module or ''}".rstrip(".") if node.level else node.module)
    return names


@pytest.mark.parametrize(
    "code",
    [
        "import drum_qtuner; drum_qtuner.__version__; dir(drum_qtuner)",
        "import drum_qtuner.cli as cli; cli.main(['--help'], standalone_mode=False)",
        "import drum_qtuner.cli as cli; cli.main(['generate', '--help'], standalone_mode=False)",
    ],
    ids=["import", "help", "generate-help"],
)
def test_starts_without_heavy_libraries(code):
    "Neither the package nor its `--help` waits for libraries that it does not use."
    report = f"{code}\nimport sys; print('LOADED', *{HEAVY!r} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_the_package_is_a_program():
    command = [sys.executable, "-m", "drum_qtuner", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"python -m drum_qtuner, version {drum_qtuner.__version__}\n"


@pytest.mark.parametrize("name", drum_qtuner.__all__)
def test_public_names_come_from_their_modules(name):
    module = __import__(f"drum_qtuner.{drum_qtuner._module_of[name]}", fromlist=[name])
    assert getattr(drum_qtuner, name) is getattr(module, name)
    assert name in dir(drum_qtuner)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        drum_qtuner.nonsense  # noqa: B018
    with pytest.raises(ImportError):
        exec("from drum_qtuner import nonsense")


def test_settings_agree(settings):
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert drum_qtuner.__version__ == settings["version"]
    assert f'name="{settings["lib_name"]}"' in pyproject
    assert f'requires-python=">={settings["min_python"]}"' in pyproject
    assert f'license="{settings["license"]}"' in pyproject


def imports_of(settings, kind: str) -> set[str]:
    "The names under which the requirements of a kind are imported."
    return {IMPORTED_AS.get(name, name) for name in requirements(settings[kind])}


def test_imports_are_the_requirements(settings):
    "The package imports what it requires, requires what it imports, and no development tool."
    third_party = set()
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        third_party |= {name.split(".")[0] for name in imported(tree)}
    third_party -= {"drum_qtuner", *sys.stdlib_module_names}
    extra = set().union(*(imports_of(settings, f"{kind}_requirements") for kind in EXTRAS))
    required = imports_of(settings, "requirements")
    assert third_party == required | extra and not required & extra


def test_each_extra_brings_what_it_is_named_for(settings):
    "The table that errors are made of is that of the requirements."
    for kind, names in EXTRAS.items():
        assert set(names.split()) <= imports_of(settings, f"{kind}_requirements"), kind
    brought = set().union(*(imports_of(settings, f"{kind}_requirements") for kind in EXTRAS))
    assert brought == set(" ".join(EXTRAS.values()).split())


def test_every_requirement_has_one_checked_version(settings):
    "constraints.txt pins each direct requirement to a version that the requirement allows."
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    stated = [line.split("#")[0].strip() for line in lines]
    pins = dict(line.split("==") for line in stated if line)
    wanted = {}
    for extra in [*EXTRAS, *BUNDLES]:
        wanted |= requirements(settings[f"{extra}_requirements"])
    wanted |= requirements(settings["requirements"])
    for name, requirement in wanted.items():
        assert name in pins, f"{name} has no pin"
        assert requirement.specifier.contains(pins[name]), (
            f"{requirement} does not allow {pins[name]}"
        )


def test_every_requirement_has_a_lower_bound(settings):
    "The job `oldest` of the tests installs these versions; development tools may be pinned."
    for kind in ["requirements", *(f"{extra}_requirements" for extra in EXTRAS)]:
        for requirement in requirements(settings[kind]).values():
            assert [bound.operator for bound in requirement.specifier] == [">="], requirement


def test_weights_have_cards():
    "Every shipped network says beside it what it is and what it was trained on."
    for weights in ROOT.glob("drum_qtuner/weights/*.safetensors"):
        assert weights.with_suffix(".json").exists(), f"{weights.name} has no card"


def test_no_leftovers_of_one_machine():
    "The code names no folder of its author's machine."
    for path in [*MODULES, *ROOT.glob("tests/*.py"), *ROOT.glob(".ci/*"), ROOT / "Makefile"]:
        found = re.search(
            r"(?<![\w.(|])/(home|Users|root|mnt)/\w", path.read_text(encoding="utf-8")
        )
        assert not found, f"{path.name}: {found}"
