"""Make one module of those that every launch imports.

Python takes about a tenth of a millisecond to find, read and check a module, and a launch needs
ten of them: as long as all the rest that it does. So the wheel carries, beside the modules, one
more with the text of them all, and the installed command imports that.
"""

import ast
from pathlib import Path

NAME = "amalgamation"

# Each one after those that it imports from
PARTS = (
    "syscalls",
    "errors",
    "files",
    "options",
    "parser",
    "request",
    "processes",
    "program",
    "launch",
    "command",
)

HEADER = '"""The modules of a launch in one, made from them by building/amalgamation.py."""\n'

# Modules that are imported only when needed are to find these parts, and not import them again.
FOOTER = f"""
import sys

for _part in {PARTS}:
    sys.modules[f"pyunshare.{{_part}}"] = sys.modules[__name__]
"""


def amalgamation(package: Path) -> str:
    """Return the text of the module. Raises ValueError if two parts use a name differently."""
    origin: dict[str, str] = {}
    text = HEADER
    for part in PARTS:
        source = (package / f"{part}.py").read_text(encoding="utf-8")
        tree = ast.parse(source)
        for name, where in _names_bound(tree, part):
            if origin.setdefault(name, where) != where:
                raise ValueError(f"{name} is from {origin[name]}, and from {where} in {part}.py")
        text += _without_internal_imports(source, tree)
    return text + FOOTER


def _names_bound(tree: ast.Module, part: str) -> "list[tuple[str, str]]":
    """Return the names that a part defines or imports from elsewhere, each with its origin."""
    names = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append((node.name, f"{part}.py"))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [(each.id, f"{part}.py") for each in targets if isinstance(each, ast.Name)]
        elif isinstance(node, ast.Import):
            names += [(alias.name, "Python") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names += [(alias.name, f"Python's {node.module}") for alias in node.names]
    return [name for name in names if name[0] != "TYPE_CHECKING"]


def _without_internal_imports(source: str, tree: ast.Module) -> str:
    """Return the text without what the other parts, or only type checkers, are imported for."""
    lines = source.splitlines(keepends=True)
    for node in tree.body:
        is_internal = isinstance(node, ast.ImportFrom) and node.level > 0
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if is_internal or is_for_types:
            assert node.end_lineno is not None
            for line in range(node.lineno - 1, node.end_lineno):
                lines[line] = ""
    return "".join(lines)
