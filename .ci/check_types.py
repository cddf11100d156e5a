"""Run mypy on the package, each patched method inside its class, where a type checker looks.

    python .ci/check_types.py

`@patch` (fastcore) puts a function into a class when the module runs, which no type checker can
see. So this works on a copy of the package: a patched function of the same module is moved into
its class, and one of another module leaves its signature there.
"""

import ast
import builtins
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"as_prop": "property", "cls_method": "classmethod", "static_method": "staticmethod"}
HEAD = ["from __future__ import annotations", "from typing import Any"]


def patch_options(node: ast.AST) -> dict | None:
    "The options of `@patch` or `@patch(...)` over a function, or None for any other statement."
    for decorator in getattr(node, "decorator_list", []):
        call = decorator if isinstance(decorator, ast.Call) else ast.Call(decorator, [], [])
        if isinstance(call.func, ast.Name) and call.func.id == "patch":
            return {option.arg: ast.literal_eval(option.value) for option in call.keywords}
    return None


def defined(tree: ast.Module) -> set[str]:
    "The names that a module imports, defines or assigns at its top level."
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        if isinstance(node, ast.Assign):
            names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names


def method(node: ast.FunctionDef, options: dict, known: set[str] | None) -> str:
    "The function as a method; with `known` only its signature, other names being anything."
    node.decorator_list = [ast.Name(KINDS[option]) for option in options if options[option]]
    node.args.args[0].annotation = None
    if known is not None:
        node.body = [ast.Raise(ast.Name("NotImplementedError"))]
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id not in known | set(dir(builtins)):
                part.id = "Any"
    return textwrap.indent(ast.unparse(ast.fix_missing_locations(node)), "    ")


def fold(sources: dict[str, str]) -> dict[str, str]:
    "The modules {name: source} with patched functions in their classes."
    trees = {name: ast.parse(source) for name, source in sources.items()}
    lines = {name: source.splitlines() for name, source in sources.items()}
    classes = {
        node.name: (name, node)
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    methods: dict[str, list[str]] = {}
    for name, tree in trees.items():
        for node in tree.body:
            options = patch_options(node)
            if options is None:
                continue
            owner = node.args.args[0].annotation.id
            home = classes[owner][0]
            begin, end = node.decorator_list[0].lineno - 1, node.end_lineno
            if home == name:
                lines[name][begin:end] = [""] * (end - begin)
            else:  # its body is checked where it stands
                own = "\n".join(lines[name][begin:end]).replace(
                    f"cls: {owner}", f"cls: type[{owner}]"
                )
                lines[name][begin:end] = own.split("\n")
            known = None if home == name else defined(trees[home])
            methods.setdefault(owner, []).append(method(node, options, known))
    for owner in sorted(methods, key=lambda owner: -classes[owner][1].end_lineno):
        name, node = classes[owner]
        lines[name][node.end_lineno : node.end_lineno] = methods[owner]
    for part in lines.values():  # in the place of generated lines: line numbers stay
        part[1:3] = HEAD
    return {name: "\n".join([*part, ""]) for name, part in lines.items()}


def main() -> int:
    "Check the folded copy; the exit status is mypy's."
    modules = sorted((ROOT / "drum_qtuner").glob("[a-z]*.py"))
    folded = fold({path.name: path.read_text(encoding="utf-8") for path in modules})
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "drum_qtuner"
        package.mkdir()
        shutil.copy(ROOT / "drum_qtuner/__init__.py", package)
        for name, source in folded.items():
            (package / name).write_text(source, encoding="utf-8")
        options = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache"]
        command = [sys.executable, "-m", "mypy", *options, "drum_qtuner"]
        return subprocess.run(command, cwd=folder).returncode


if __name__ == "__main__":
    sys.exit(main())
