"""Run mypy on the package, each patched method inside its class, where a type checker looks.

    python .ci/check_types.py

`@patch` (fastcore) puts a function into a class when the module runs, which no type checker can
see. So this works on a copy of the package: a patched function of the same module is moved into
its class, and one of another module leaves its signature there.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def patch_options(node: ast.AST) -> dict | None:
    "The options of `@patch` or `@patch(...)` over a function, or None for any other statement."
    for decorator in getattr(node, "decorator_list", []):
        call = decorator if isinstance(decorator, ast.Call) else None
        name = call.func if call else decorator
        if isinstance(name, ast.Name) and name.id == "patch":
            return (
                {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
                if call
                else {}
            )
    return None


def method(node: ast.FunctionDef, options: dict, known: set[str] | None = None) -> str:
    "The function as a method; with `known` only its signature, other names being anything."
    node.decorator_list = []
    for option, decorator in (
        ("as_prop", "property"),
        ("cls_method", "classmethod"),
        ("static_method", "staticmethod"),
    ):
        if options.get(option):
            node.decorator_list = [ast.Name(decorator)]
    if not options.get("static_method"):
        node.args.args[0].annotation = None
    if known is not None:
        node.body = [ast.Expr(ast.Constant(...))]
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id not in known:
                part.id = "Any"
        for argument in node.args.defaults + node.args.kw_defaults:
            if isinstance(argument, ast.Name):
                argument.id = "object"
    return textwrap.indent(ast.unparse(ast.fix_missing_locations(node)), "    ")


def fold(sources: dict[str, str]) -> dict[str, str]:
    "The modules {name: source} with patched functions in their classes."
    trees = {name: ast.parse(source) for name, source in sources.items()}
    home = {
        node.name: name
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    lines = {name: source.splitlines() for name, source in sources.items()}
    added: dict[str, dict[str, list[str]]] = {name: {} for name in sources}
    for name, tree in trees.items():
        for node in tree.body:
            options = patch_options(node)
            if options is None:
                continue
            owner = node.args.args[0].annotation.id
            first = min(decorator.lineno for decorator in node.decorator_list)
            here = home[owner] == name
            if here:
                lines[name][first - 1 : node.end_lineno] = [""] * (node.end_lineno - first + 1)
            names = {
                alias.asname or alias.name
                for part in ast.walk(trees[home[owner]])
                if isinstance(part, ast.Import | ast.ImportFrom)
                for alias in part.names
            }
            known = (
                None
                if here
                else names
                | set(dir(__builtins__))
                | set(home) & {owner}
                | {"property", "classmethod"}
            )
            added[home[owner]].setdefault(owner, []).append(method(node, options, known))
    for name, tree in trees.items():
        for node in reversed(tree.body):
            if isinstance(node, ast.ClassDef) and node.name in added[name]:
                lines[name][node.end_lineno : node.end_lineno] = added[name][node.name]
    for part in (
        lines.values()
    ):  # in the place of blank and generated lines, so that findings keep their line numbers
        part[1:3] = ["from __future__ import annotations", "from typing import Any"]
    return {name: "\n".join([*part, ""]) for name, part in lines.items()}


def main() -> int:
    "Check the folded copy; the exit status is mypy's."
    modules = sorted(
        path for path in (ROOT / "drum_qtuner").glob("*.py") if not path.name.startswith("_")
    )
    folded = fold({path.name: path.read_text(encoding="utf-8") for path in modules})
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "drum_qtuner"
        package.mkdir()
        shutil.copy(ROOT / "drum_qtuner/__init__.py", package)
        for name, source in folded.items():
            (package / name).write_text(source, encoding="utf-8")
        options = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
        program = os.environ.get("MYPY", f"{sys.executable} -m mypy").split()
        return subprocess.run([*program, *options, "drum_qtuner"], cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
