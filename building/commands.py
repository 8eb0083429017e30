"""What setuptools is to do differently for the installed command, to start it safe and fast."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Optional

from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

# isort: split
from distutils.command.build_scripts import build_scripts  # which setuptools has brought
from distutils.command.install_data import install_data

sys.path.insert(0, str(Path(__file__).parent.parent))
from building import amalgamation, archives, bytecode, script

# What the specification of wheels has installers replace: the first line whole, options included
REPLACED_BY_INSTALLERS = "python"

# Well below what the kernel reads of a script's first line, which is 127 bytes and more
LONGEST_INTERPRETER = 100


def named_interpreter() -> str:
    """Return the interpreter that the first line of the installed command is to name.

    That is the one of this machine, which installers leave as it is, and with it the options that
    keep the command isolated. PYUNSHARE_INTERPRETER, for packagers, names another one; or, with
    the word "python", none, for a wheel that suits every machine: there installers write a first
    line of their own, and the command is not isolated. Raises SystemExit if the kernel could not
    find what is named.
    """
    chosen = os.environ.get("PYUNSHARE_INTERPRETER", "")
    if chosen == REPLACED_BY_INSTALLERS:
        return chosen
    if not chosen:
        # Not that of the virtual environment, which may be one for building only
        version = f"{sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}"
        base = f"{sys.base_exec_prefix}/bin/python{version}"
        interpreter = base if os.path.exists(base) else os.path.realpath(sys.executable)
        if _fits_a_first_line(interpreter):
            return interpreter
        raise SystemExit(
            f"the first line of a script cannot name this Python: '{interpreter}' "
            f"is longer than {LONGEST_INTERPRETER} characters, or has spaces in it; "
            "set PYUNSHARE_INTERPRETER to a path that can be named"
        )
    if not _fits_a_first_line(chosen):
        raise SystemExit(
            f"PYUNSHARE_INTERPRETER has to be an absolute path without spaces, of no more than "
            f"{LONGEST_INTERPRETER} characters, or the word {REPLACED_BY_INSTALLERS}: '{chosen}'"
        )
    return chosen


def named_library() -> Optional[str]:
    """Return the directory in which packagers say, by PYUNSHARE_LIBRARY, that the package will be.

    Raises SystemExit if it would be another one from another working directory.
    """
    library = os.environ.get("PYUNSHARE_LIBRARY") or None
    if library and not library.startswith("/"):
        raise SystemExit(f"PYUNSHARE_LIBRARY has to be an absolute path: '{library}'")
    return library


def _fits_a_first_line(path: str) -> bool:
    is_one_word = len(path.split()) == 1  # for the kernel divides the line there
    return path.startswith("/") and is_one_word and len(path) <= LONGEST_INTERPRETER


class BuildScripts(build_scripts):
    """Make the installed command, and write its first line."""

    def run(self) -> None:
        """Build the scripts."""
        self.executable = named_interpreter()
        self.scripts = [self._quick(Path(source)) for source in self.scripts]
        super().run()

    def _quick(self, source: Path) -> str:
        quick = Path(self.get_finalized_command("build").build_temp, "scripts", source.name)
        self.mkpath(str(quick.parent))
        text = script.installed_script(named_library())
        quick.write_text(text, encoding="utf-8")
        return str(quick)


class BuildWheel(bdist_wheel):
    """Make a wheel that names an interpreter of this machine say that it is for such machines.

    What packagers name is on every machine that their package is for.
    """

    def write_wheelfile(self, *arguments: object, **options: object) -> None:
        """Describe the wheel, the last step before it is packed, with modes that suit everybody."""
        super().write_wheelfile(*arguments, **options)
        archives.make_readable(Path(self.bdist_dir))

    def finalize_options(self) -> None:
        """Decide what the wheel is for."""
        super().finalize_options()
        if not os.environ.get("PYUNSHARE_INTERPRETER"):
            self.root_is_pure = False


class InstallData(install_data):
    """Install the completion for bash under the name of its command, where bash looks for it."""

    def copy_file(self, infile: str, outfile: str, *arguments: Any, **named: Any) -> Any:
        """Copy a file into a directory."""
        if infile.endswith(".bash"):
            outfile = os.path.join(outfile, Path(infile).stem)
        return super().copy_file(infile, outfile, *arguments, **named)


class BuildPy(build_py):
    """Add the amalgamation to the modules, and bytecode where it is known what will read it.

    PYUNSHARE_COMPILE_FOR names the Pythons that a wheel for every machine has bytecode for, as
    paths with colons between them.
    """

    def run(self) -> None:
        """Build the modules, none of them being what an earlier build has left here."""
        shutil.rmtree(Path(self.build_lib, "pyunshare"), ignore_errors=True)
        super().run()
        if getattr(self, "editable_mode", False):  # which setuptools before 64 does not have
            bytecode.compile_modules(sys.executable, Path("pyunshare"))
            return
        package = Path(self.build_lib, "pyunshare")
        merged = package / f"{amalgamation.NAME}.py"
        merged.write_text(amalgamation.amalgamation(package), encoding="utf-8")
        if named_library():
            return  # packagers have tools of their own
        if named_interpreter() == REPLACED_BY_INSTALLERS:
            pythons = os.environ.get("PYUNSHARE_COMPILE_FOR", "").split(":")
        else:
            pythons = [sys.executable]
            bytecode.compile_modules(
                sys.executable, package, "--invalidation-mode", "unchecked-hash"
            )
        for python in filter(None, pythons):
            bytecode.compile_beside(python, merged)
