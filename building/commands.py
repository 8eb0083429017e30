"""What setuptools is to do differently for the installed command, to start it safe and fast."""

import os
import sys
from pathlib import Path
from typing import Any

from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

# isort: split
from distutils.command.build_scripts import build_scripts  # which setuptools has brought
from distutils.command.install_data import install_data

sys.path.insert(0, str(Path(__file__).parent.parent))
from building import amalgamation

# pip and uv set these when they build for the machine that they install on.
SET_BY_INSTALLERS = ("PIP_BUILD_TRACKER", "UV")

# Well below what the kernel reads of a script's first line, which is 127 bytes and more
LONGEST_INTERPRETER = 100


def named_interpreter() -> str:
    """Return the interpreter that the first line of the installed command is to name.

    An empty one is for the installer to fill in. But installers replace the first line whole,
    and with it the options that keep the command isolated. So where one of them builds the
    package itself, the interpreter of this machine is named at once, and they let the line be.
    PYUNSHARE_INTERPRETER, for packagers, goes before both.
    """
    interpreter = os.environ.get("PYUNSHARE_INTERPRETER", "")
    if not interpreter and any(name in os.environ for name in SET_BY_INSTALLERS):
        interpreter = os.path.realpath(sys.executable)
    is_one_word = len(interpreter.split()) == 1  # for the kernel divides the line there
    return interpreter if is_one_word and len(interpreter) <= LONGEST_INTERPRETER else ""


class BuildScripts(build_scripts):
    """Write the first line of the installed command."""

    def run(self) -> None:
        """Build the scripts."""
        self.executable = named_interpreter() or self.executable
        super().run()


class BuildWheel(bdist_wheel):
    """Make a wheel that names an interpreter of this machine say that it is for such machines."""

    def finalize_options(self) -> None:
        """Decide what the wheel is for."""
        super().finalize_options()
        if named_interpreter():
            self.root_is_pure = False


class InstallData(install_data):
    """Install the completion for bash under the name of its command, where bash looks for it."""

    def copy_file(self, infile: str, outfile: str, *arguments: Any, **named: Any) -> Any:
        """Copy a file into a directory."""
        if infile.endswith(".bash"):
            outfile = os.path.join(outfile, Path(infile).stem)
        return super().copy_file(infile, outfile, *arguments, **named)


class BuildPy(build_py):
    """Add the amalgamation to the modules."""

    def run(self) -> None:
        """Build the modules."""
        super().run()
        if not self.editable_mode:
            package = Path(self.build_lib, "pyunshare")
            text = amalgamation.amalgamation(package)
            (package / f"{amalgamation.NAME}.py").write_text(text, encoding="utf-8")
