"""What is measured: pyunshare installed for each interpreter, and the programs beside it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))
from building.script import installed_script  # noqa: E402

OPTIONS = "-ISXutf8"  # what the installed command starts the interpreter with
NEEDED_TO_INSTALL = (
    "bin",
    "building",
    "completions",
    "man",
    "packaging",
    "pyunshare",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "setup.cfg",
)
SUPPORTED = range(9, 16)  # minor versions of CPython 3


@dataclass(frozen=True, order=True)
class Interpreter:
    """An interpreter of this machine: the file itself, not a link to it."""

    version: tuple[int, ...]
    path: str

    @property
    def name(self) -> str:
        """What to call it."""
        return "CPython " + ".".join(map(str, self.version))


@dataclass(frozen=True)
class Installation:
    """A virtual environment with pyunshare in it."""

    interpreter: Interpreter
    directory: Path

    @property
    def command(self) -> str:
        """The command as pip installs it."""
        return str(self.directory / "bin" / "pyunshare")

    def command_of_a_distribution(self) -> str:
        """Write the command as distributions build it, to know where the package is."""
        return self.script("pyunshare-of-a-distribution", self._text_for_a_distribution())

    def _text_for_a_distribution(self) -> str:
        minor = self.interpreter.version[1]
        library = self.directory / "lib" / f"python3.{minor}" / "site-packages"
        return installed_script(str(library)).partition("\n")[2]

    @property
    def bare(self) -> Sequence[str]:
        """The interpreter without site-packages, doing nothing."""
        return (self.interpreter.path, "-IS", "-c", "pass")

    @property
    def environment(self) -> Sequence[str]:
        """The interpreter of the virtual environment, doing nothing."""
        return (str(self.directory / "bin" / "python"), "-I", "-c", "pass")

    def one_file(self) -> Sequence[str]:
        """Make pyunshare.pyz, and return what starts it."""
        archive = self.directory / "pyunshare.pyz"
        maker = CHECKOUT / "building" / "one_file.py"
        subprocess.run([self.interpreter.path, "-B", maker, "--output", archive], check=True)
        return (self.interpreter.path, OPTIONS, str(archive))

    def script(self, name: str, body: str) -> str:
        """Write a script beside the command, with the same first line, and return its path."""
        path = self.directory / "bin" / name
        path.write_text(f"#!{self.interpreter.path} {OPTIONS}\n{body}", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def command_through_a_link(self) -> str:
        """Make a link to the command as pip installs it, elsewhere."""
        path = self.directory / "links" / "pyunshare"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(self.command)
        return str(path)

    def command_of_a_wheel(self) -> str:
        """Write the command as installers write it from a wheel: they drop the options."""
        path = self.directory / "from-a-wheel" / "pyunshare"
        if not path.exists():
            text = Path(self.command).read_text(encoding="utf-8")
            _, _, body = text.partition("\n")
            path.parent.mkdir()
            path.write_text(f"#!{self.directory}/bin/python\n{body}", encoding="utf-8")
            path.chmod(0o755)
        return str(path)

    def changed_script(self, name: str, last_line: str) -> str:
        """Write a distribution's script with another last line, and return its path."""
        text, last, _ = self._text_for_a_distribution().rpartition("main()\n")
        assert last
        return self.script(name, text + last_line + "\n")


def interpreters(paths: Iterable[str] = ()) -> list[Interpreter]:
    """Return those asked for, or all that are found, by version."""
    candidates = list(paths) or [
        *map(str, Path.home().glob(".pyenv/versions/3.*/bin/python3")),
        *(f"python3.{minor}" for minor in SUPPORTED),
        "python3",
    ]
    found = {_interpreter(path) for path in candidates if shutil.which(path)}
    return sorted(each for each in found if each and each.version[1] in SUPPORTED)


def _interpreter(command: str) -> Interpreter | None:
    """Return what a command starts, or None if that is nothing, as with some of pyenv's."""
    statement = (
        "import os, sys; print(*sys.version_info[:3]); print(os.path.realpath(sys.executable))"
    )
    line = [command, "-IS", "-c", statement]
    result = subprocess.run(line, capture_output=True, text=True, check=False)
    if result.returncode:
        return None
    version, path = result.stdout.splitlines()
    return Interpreter(tuple(map(int, version.split())), path)


def install(interpreter: Interpreter, directory: Path) -> Installation:
    """Install the checkout into a new virtual environment.

    Raises CalledProcessError if the interpreter cannot, ValueError if the command is not isolated.
    """
    source = directory / "source"  # a copy: what was built before in the checkout is left out
    source.mkdir(parents=True)
    for name in NEEDED_TO_INSTALL:
        copy = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
        copy(CHECKOUT / name, source / name)
    installation = Installation(interpreter, directory / "environment")
    subprocess.run(
        [interpreter.path, "-I", "-m", "venv", str(installation.directory)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    python = str(installation.directory / "bin" / "python")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-warn-script-location"]
    without_packagers_choice = {
        name: value for name, value in os.environ.items() if not name.startswith("PYUNSHARE_")
    }
    subprocess.run(
        [python, "-I", "-m", "pip", "install", *quiet, str(source)],
        check=True,
        env=without_packagers_choice,
    )
    with open(installation.command, encoding="utf-8") as script:
        first_line = script.readline()
    if first_line != f"#!{interpreter.path} {OPTIONS}\n":
        raise ValueError(f"not isolated: {first_line}")
    return installation


def reference() -> str | None:
    """Return the `unshare` to compare with."""
    return shutil.which(os.environ.get("PYUNSHARE_REFERENCE", "unshare"))


def busybox() -> str | None:
    """Return a busybox that knows `unshare`."""
    path = shutil.which("busybox")
    if path is None:
        return None
    applets = subprocess.run([path, "--list"], stdout=subprocess.PIPE, text=True, check=False)
    return path if re.search("^unshare$", applets.stdout, re.MULTILINE) else None


def version_line(program: str) -> str:
    """Return the first line that a program prints with --version."""
    result = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout.partition("\n")[0]
