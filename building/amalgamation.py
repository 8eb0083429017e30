"""Make one module of those that every launch needs.

Python takes about a tenth of a millisecond to find, read and check a module, and a launch needs
fifteen of them: longer than all the rest that it does. So the wheel carries, beside the modules,
one more with the code of them all, which the installed command runs. Docstrings and annotations
are left out of it, for they too take time to load.

To import the package would take longer than a launch as well, so it is not imported but made: the
command runs this module's code as its own, with the package's ``directory`` in a variable.
"""

import ast
from pathlib import Path

NAME = "amalgamation"

# Each one after those that it imports from; in a room, with the room's name
PARTS = (
    "loading",
    "syscalls",
    "errors",
    "files",
    "messages",
    "options.table",
    "options.parser",
    "options.idmaps",
    "options.request",
    "launch.startup",
    "launch.program",
    "launch.processes",
    "launch.mounts",
    "launch.steps",
    "command",
)
ROOMS = tuple(dict.fromkeys(part.partition(".")[0] for part in PARTS if "." in part))

# Statements at the top of a part whose names are looked into, beside those that _check() knows
MERGED = (ast.AnnAssign, ast.ClassDef, ast.Expr, ast.FunctionDef, ast.Import, ast.ImportFrom)

HEADER = f"""\
# The modules of a launch in one, made from them by building/amalgamation.py.
import sys
from _frozen_importlib import ModuleSpec
if directory[0] != "/":  # the working directory is gone, and -w may lead to somebody's own
    sys.exit(sys.argv[0] + ": cannot tell where this is")
package = sys.modules["pyunshare"] = type(sys)("pyunshare")
package.__path__ = [directory]
__package__, __spec__ = "pyunshare", ModuleSpec("pyunshare.amalgamation", None)
for _room in {ROOMS}:
    package = sys.modules["pyunshare." + _room] = type(sys)("pyunshare." + _room)
    package.__path__ = [directory + "/" + _room]
"""

# Modules that are imported only when needed are to find these parts, and not import them again.
NAMES = tuple(f"pyunshare.{part}" for part in PARTS)
FOOTER = f"""\
sys.modules.update(dict.fromkeys({NAMES}, sys.modules[__name__]))
load_carefully(directory)
"""


def source_of(part: str, package: Path) -> Path:
    """Return the file of a module of the package, whose name is ``part`` within it."""
    return package.joinpath(*part.split(".")).with_suffix(".py")


def imported_from(node: ast.ImportFrom, part: str) -> str:
    """Return the name, within the package, of what a relative import in ``part`` is from."""
    around = part.split(".")[: -node.level]
    return ".".join([*around, *filter(None, [node.module])])


def amalgamation(package: Path) -> str:
    """Return the text of the module.

    Raises ValueError where merging would change a meaning: two parts use a name differently, or
    import from each other in a way, or have a statement at the top, that is not looked into here.
    """
    origin: dict[str, str] = {}
    imports: set[str] = set()
    text = HEADER
    for part in PARTS:
        tree = ast.parse(source_of(part, package).read_text(encoding="utf-8"))
        _check(tree, part)
        for name, where in _names_bound(tree, part):
            if origin.setdefault(name, where) != where:
                raise ValueError(f"{name} is from {origin[name]}, and from {where} in {part}")
        tree = _OnlyCode(part).visit(tree)
        for node in [*tree.body]:
            statement = ast.unparse(node)
            if statement in imports:
                tree.body.remove(node)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                imports.add(statement)
        text += ast.unparse(tree) + "\n"
    return text + FOOTER


def _check(tree: ast.Module, part: str) -> None:
    """Raise ValueError for what this cannot merge."""
    for node in tree.body:
        where = f"{part}, line {node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.level:
            if imported_from(node, part) not in PARTS or any(alias.asname for alias in node.names):
                raise ValueError(f"{where}: of modules, import names of parts only, as they are")
        elif isinstance(node, ast.If):
            if ast.unparse(node.test) != "TYPE_CHECKING":
                raise ValueError(f"{where}: no name may be bound by a condition")
        elif isinstance(node, ast.Assign):
            if not all(isinstance(target, ast.Name) for target in node.targets):
                raise ValueError(f"{where}: bind one name at a time")
        elif not isinstance(node, MERGED):
            raise ValueError(f"{where}: this kind of statement cannot be merged")


def _names_bound(tree: ast.Module, part: str) -> "list[tuple[str, str]]":
    """Return the names that a part defines or imports from elsewhere, each with its origin."""
    names = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append((node.name, part))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names += [(each.id, part) for each in targets if isinstance(each, ast.Name)]
        elif isinstance(node, ast.Import):
            names += [(alias.name, "Python") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names += [(alias.name, f"Python's {node.module}") for alias in node.names]
    return [name for name in names if name[0] != "TYPE_CHECKING"]


class _OnlyCode(ast.NodeTransformer):
    """Leave out docstrings, annotations, and imports from other parts or for type checkers.

    Imports that are left, those in functions, become relative to the package.
    """

    def __init__(self, part: str) -> None:
        self._part = part

    def visit_Module(self, node: ast.Module) -> ast.Module:
        node.body = [each for each in node.body if not self._is_for_parts_or_types(each)]
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return self._without_docstring(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        for each in ast.walk(node.args):
            if isinstance(each, ast.arg):
                each.annotation = None
        return self._without_docstring(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level:
            node.module, node.level = imported_from(node, self._part), 1
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> "ast.Assign | None":
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], self.visit(node.value)), node)

    def _without_docstring(self, node):  # type: ignore[no-untyped-def]  # one kind, any of three
        if ast.get_docstring(node) is not None:
            del node.body[0]
        node.body = node.body or [ast.Pass()]
        return self.generic_visit(node)

    def _is_for_parts_or_types(self, node: ast.stmt) -> bool:
        if isinstance(node, (ast.Assign, ast.If)):
            names = node.targets if isinstance(node, ast.Assign) else [node.test]
            return ast.unparse(names[0]) == "TYPE_CHECKING"
        return isinstance(node, ast.ImportFrom) and node.level > 0
