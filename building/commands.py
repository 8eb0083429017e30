"""What setuptools is to do differently: the first line of the installed command."""

import os
import sys

import setuptools  # noqa: F401  # it brings distutils, which Python has no more since 3.12

# isort: split
from distutils.command.build_scripts import build_scripts

# The kernel reads no more of a script's first line, and divides it at white space.
LONGEST_INTERPRETER = 100


class BuildScripts(build_scripts):
    """Choose the interpreter that the first line of the installed command names.

    In a wheel that is "python", for the installer to replace, followed by the options that keep
    the command isolated. But pip replaces the line whole, options and all. So where pip itself
    builds, which it does for the machine that it installs on, the interpreter is named at once,
    and pip lets the line be. PYUNSHARE_INTERPRETER, for packagers, goes before both.
    """

    def run(self) -> None:
        """Build the scripts."""
        interpreter = os.environ.get("PYUNSHARE_INTERPRETER", "")
        if not interpreter and "PIP_BUILD_TRACKER" in os.environ:
            interpreter = os.path.realpath(sys.executable)
        if interpreter and len(interpreter) <= LONGEST_INTERPRETER and " " not in interpreter:
            self.executable = interpreter
        super().run()
