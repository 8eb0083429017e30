"""Bytecode made when the package is built: a launch itself writes none.

The same source and the same Python make the same bytes, wherever and whenever that is.
"""

import os
import subprocess
from pathlib import Path

COMPILE_BESIDE = """\
import importlib.util, marshal, sys, types

def without_lines(code):
    constants = (without_lines(c) if isinstance(c, types.CodeType) else c for c in code.co_consts)
    table = "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab"
    return code.replace(co_consts=tuple(constants), **{table: b""})

source = sys.argv[1]
with open(source, encoding="utf-8") as file:
    code = without_lines(compile(file.read(), "amalgamation.py", "exec", dont_inherit=True))
# PEP 552: the flags of bytecode that is not checked against a source, and no hash of one
header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
with open(source[: -len("py")] + sys.implementation.cache_tag, "wb") as file:
    file.write(header + marshal.dumps(code))
"""


def compile_modules(python: str, directory: Path, *options: str) -> None:
    """Compile all modules in a directory, for one Python.

    ``options`` are those of the module compileall. Raises OSError or CalledProcessError.
    """
    _run(python, "-m", "compileall", "-q", "-s", str(directory), *options, str(directory))


def compile_beside(python: str, module: Path) -> None:
    """Put beside a module what a Python makes of it, under the name that the command looks for.

    Tables of lines are left out, which take long to load: nobody is shown a traceback.
    """
    _run(python, "-c", COMPILE_BESIDE, str(module))


def _run(python: str, *words: str) -> None:
    # Without the columns of errors that nobody will see, which take long to load
    flags = ["-sSB", "-X", "no_debug_ranges"]
    # In some versions, the order of sets in bytecode depends on the seed.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([python, *flags, *words], check=True, env=environment)
