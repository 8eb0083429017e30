"""The package's imports, those inside functions too, run one way: see CONTRIBUTING.md."""

from __future__ import annotations

import ast
import graphlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping

import pytest

import pyunshare
from tests.helpers import support

# A module may import from its own line and from those below.
ORDER = (
    ("pyunshare", "__main__"),
    ("api", "command", "doctor"),
    ("launch",),
    ("messages", "translation"),
    ("diagnostics",),
    ("options",),
    ("capabilities", "errors", "files", "lines", "loading", "syscalls", "version"),
)
HEIGHTS = {room: -line for line, rooms in enumerate(ORDER) for room in rooms}


def imported(source: str, package: str, modules: Iterable[str]) -> Iterator[str]:
    """Yield the modules that a module of this package imports, but to a type checker."""

    def visit(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for each in node.orelse:
                yield from visit(each)
            return
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name
        if isinstance(node, ast.ImportFrom):
            written = "." * node.level + (node.module or "")
            origin = importlib.util.resolve_name(written, package)
            for name in node.names:
                # what is no module itself is a name in one
                whole = f"{origin}.{name.name}"
                yield whole if whole in modules else origin
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return (name for name in visit(ast.parse(source)) if name in modules)


def import_graph(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """The modules of a package, by the names of their files, each with those that it imports."""
    modules = {path: path[: -len(".py")].replace("/", ".") for path in sources}
    packages = {path: module.rpartition(".")[0] for path, module in modules.items()}
    for path, package in packages.items():
        if path.endswith("/__init__.py"):
            modules[path] = package
    return {
        modules[path]: set(imported(source, packages[path], modules.values()))
        for path, source in sources.items()
    }


def room(module: str) -> str:
    """The part of the package that a module belongs to."""
    return module.split(".")[1] if "." in module else module


def upward(graph: Mapping[str, set[str]]) -> list[str]:
    """The imports that are against the order."""
    return [
        f"{module} -> {other}".replace("pyunshare.", "")
        for module, others in sorted(graph.items())
        for other in sorted(others)
        if HEIGHTS[room(other)] > HEIGHTS[room(module)]
    ]


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """A circle of modules, or of rooms, each imported by the next; nothing where there is none."""
    rooms: dict[str, set[str]] = {}
    for module, others in graph.items():
        rooms.setdefault(room(module), set()).update(map(room, others))
    for name, others in rooms.items():
        others.discard(name)
    for each in (graph, rooms):
        try:
            graphlib.TopologicalSorter(each).prepare()
        except graphlib.CycleError as error:
            return list(error.args[1])
    return []


def test_imports_run_one_way() -> None:
    package = support.CHECKOUT / "pyunshare"
    sources = {
        path.relative_to(support.CHECKOUT).as_posix(): path.read_text()
        for path in package.rglob("*.py")
    }
    graph = import_graph(sources)
    assert len(graph) == len(sources) > 20
    graph["pyunshare"].update(f"pyunshare.{name}" for name in pyunshare._INTERFACE.values())
    assert upward(graph) == []
    assert circle(graph) == []


SOUND = {
    "pyunshare/__init__.py": "from .version import __version__",
    "pyunshare/api/__init__.py": "",
    "pyunshare/api/popen.py": "from ..launch.steps import enter",
    "pyunshare/errors.py": "import os, errno",
    "pyunshare/launch/__init__.py": "",
    "pyunshare/launch/program.py": "from ..errors import Failure",
    "pyunshare/launch/steps.py": "def enter():\n    from . import program",
    "pyunshare/version.py": "",
}


@pytest.mark.parametrize(
    ("file", "source", "found"),
    [
        ("errors", "from .launch import steps", ["errors -> launch.steps"]),
        ("errors", "def f():\n import pyunshare.api.popen", ["errors -> api.popen"]),
        (
            "errors",
            "class C:\n try: 1\n finally: from .api.popen import x",
            ["errors -> api.popen"],
        ),
        ("errors", "from . import __version__", ["errors -> pyunshare"]),
        ("errors", "from .launch import x", ["errors -> launch"]),
        ("errors", "if not TYPE_CHECKING: from .launch.steps import x", ["errors -> launch.steps"]),
        ("errors", "if TYPE_CHECKING: from .launch import steps", []),
        ("version", "from .errors import Failure", []),
        ("launch/steps", "if x: from ..api import popen", ["launch.steps -> api.popen"]),
        ("api/popen", "from pyunshare.version import __version__", []),
        ("api/popen", "from .. import __version__", ["api.popen -> pyunshare"]),
    ],
)
def test_an_import_against_the_order_is_found(file: str, source: str, found: list[str]) -> None:
    assert upward(import_graph({**SOUND, f"pyunshare/{file}.py": source})) == found


@pytest.mark.parametrize(
    ("file", "source", "members"),
    [
        ("launch/program", "async def f():\n from .steps import x", {"program", "steps"}),
        ("launch/program", "import pyunshare.launch.steps", {"program", "steps"}),
        ("launch/program", "if TYPE_CHECKING: from .steps import x", set()),
        ("errors", "from .errors import Failure", {"errors"}),
        ("api/other", "from ..command import main", {"api", "command"}),
    ],
)
def test_a_circle_is_found(file: str, source: str, members: set[str]) -> None:
    sound = {**SOUND, "pyunshare/command.py": "from .api import popen"}
    assert circle(import_graph(sound)) == []
    found = circle(import_graph({**sound, f"pyunshare/{file}.py": source}))
    assert {module.rpartition(".")[2] for module in found} == members
