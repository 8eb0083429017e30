"""What setuptools is to do differently for the installed command, to start it safe and fast."""

import os
import sys
from pathlib import Path

from setuptools.command.build_py import build_py

# isort: split
from distutils.command.build_scripts import build_scripts  # which setuptools has brought

sys.path.insert(0, str(Path(__file__).parent.parent))
from building import amalgamation

# Well below what the kernel reads of a script's first line, which is 127 bytes and more
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
        is_one_word = len(interpreter.split()) == 1  # for the kernel divides the line there
        if is_one_word and len(interpreter) <= LONGEST_INTERPRETER:
            self.executable = interpreter
        super().run()


class BuildPy(build_py):
    """Add the amalgamation to the modules."""

    def run(self) -> None:
        """Build the modules."""
        super().run()
        if not self.editable_mode:
            package = Path(self.build_lib, "pyunshare")
            text = amalgamation.amalgamation(package)
            (package / f"{amalgamation.NAME}.py").write_text(text, encoding="utf-8")
