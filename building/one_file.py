"""Make pyunshare.pyz: the whole command in one file, to be copied to a machine and run there.

It is a zip archive behind a line that names the interpreter, as those of the module zipapp are,
and holds the package as source and as compiled by each Python that is named here. A launch by
any other Python has to compile it, and takes three times as long. Nothing in it depends on the
machine or the hour: the same source and the same Pythons make the same file.
"""

import argparse
import ast
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
from building import amalgamation, script
from building.bytecode import compile_modules

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE = CHECKOUT / "pyunshare"
CHECK_UP = "doctor.__main__"
FIRST_LINE = b"#!/usr/bin/python3 -ISXutf8\n"  # isolated, see bin/pyunshare
EARLIEST_TIME = (1980, 1, 1, 0, 0, 0)  # that zip archives can express
REGULAR_FILE = 0o100644 << 16  # where a zip archive has the mode


def main() -> None:
    """Make the file that the command line asks for."""
    parser = argparse.ArgumentParser(description="Make pyunshare.pyz.")
    parser.add_argument("--output", type=Path, default=Path("dist/pyunshare.pyz"), metavar="FILE")
    parser.add_argument(
        "pythons",
        nargs="*",
        default=[sys.executable],
        metavar="PYTHON",
        help="compile for this interpreter (default: the one that runs this)",
    )
    arguments = parser.parse_args()
    try:
        make(arguments.output, arguments.pythons)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"{sys.argv[0]}: {error}")


def make(archive: Path, pythons: "list[str]") -> None:
    """Make the archive. Raises OSError, and CalledProcessError if a Python fails to compile."""
    with tempfile.TemporaryDirectory() as name:
        contents = Path(name)
        source = contents / "source" / "pyunshare"
        source.mkdir(parents=True)
        for name in _modules():
            module = amalgamation.source_of(name, source)
            module.parent.mkdir(exist_ok=True)
            shutil.copy(amalgamation.source_of(name, PACKAGE), module)
        text = amalgamation.amalgamation(source)
        for part in amalgamation.PARTS:
            amalgamation.source_of(part, source).unlink()
        (source / f"{amalgamation.NAME}.py").write_text(text, encoding="utf-8")
        for python in pythons:
            _compile(python, contents)
        (contents / "__main__.py").write_text(script.archived_script(), encoding="utf-8")
        archive.parent.mkdir(parents=True, exist_ok=True)
        _pack(archive, contents)


def _modules() -> "list[str]":
    """Return the names of all modules that a launch, or the check-up, can import."""
    found: list[str] = []
    waiting = [*amalgamation.PARTS, CHECK_UP]
    while waiting:
        name = waiting.pop()
        path = amalgamation.source_of(name, PACKAGE)
        if name in found or not path.exists():  # else a name in a module
            continue
        found.append(name)
        room, dot, _ = name.rpartition(".")
        waiting += [f"{room}.__init__"] if dot else []
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                module = amalgamation.imported_from(node, name)
                names = (f"{module}.{alias.name}".lstrip(".") for alias in node.names)
                waiting += [module, *names] if module else names
    return found


def _compile(python: str, contents: Path) -> None:
    """Add the package as this Python compiles it, in a directory named after its version."""
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    shown = subprocess.run([python, "-ISc", asked], check=True, stdout=subprocess.PIPE, text=True)
    directory = contents / shown.stdout.strip()
    shutil.copytree(contents / "source", directory)
    # Beside the source, where zipimport looks (-b)
    compile_modules(python, directory, "-b", "--invalidation-mode", "unchecked-hash")
    for path in directory.rglob("*.py"):
        path.unlink()


def _pack(archive: Path, contents: Path) -> None:
    """Write the archive; without compression, which would have to be undone at each launch."""
    with archive.open("wb") as file:
        file.write(FIRST_LINE)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as packed:
            for path in sorted(path for path in contents.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(str(path.relative_to(contents)), EARLIEST_TIME)
                entry.create_system = 3  # Unix, which the mode is for
                entry.external_attr = REGULAR_FILE
                packed.writestr(entry, path.read_bytes())
    archive.chmod(0o755)


if __name__ == "__main__":
    main()
