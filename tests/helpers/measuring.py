"""A plugin of pytest's: the command under test becomes ``measured.py``, its data coverage.py's.

``pytest -p tests.helpers.measuring`` measures pytest's own process, for the tests of single
functions, with its forked children, and every process of the launches that tests make. See
``tox.ini``.
"""

from __future__ import annotations

import _thread
import compileall
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable

import coverage
import pytest

from tests.helpers import recording

HELPERS = Path(__file__).resolve().parent
CHECKOUT = HELPERS.parents[1]
DATA = CHECKOUT / ".coverage"


def _prepare() -> Path:
    """Return a directory from which every user can run what is measured."""
    place = Path(tempfile.mkdtemp(prefix="pyunshare-tests-measured-"))
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "pyunshare", place / "pyunshare", ignore=ignore)
    shutil.copytree(Path(coverage.__file__).parent, place / "coverage", ignore=ignore)
    for name in ("measured.py", "recording.py"):
        shutil.copy(HELPERS / name, place)
    (place / "importable" / "pyunshare").mkdir(parents=True)
    shutil.copy(HELPERS / "measured_package.py", place / "importable" / "pyunshare" / "__init__.py")
    compileall.compile_dir(place, quiet=1)
    (place / "reached").mkdir()
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    (place / "reached").chmod(0o1777)
    return place


def _interpreter() -> Path:
    """Return an interpreter that every user may run; an environment's own is a link to it."""
    path = Path(sys.executable).resolve()
    everybody_may = all(part.stat().st_mode & 0o001 for part in (path, *path.parents))
    if os.geteuid() == 0 and not everybody_may:
        raise pytest.UsageError(f"tests run launches as ordinary users, who cannot execute {path}")
    return path


# Before any test module is imported: support.py asks for them then.
INTERPRETER = _interpreter()
PLACE = _prepare()
os.environ["PYUNSHARE_COMMAND"] = f"{INTERPRETER} -IS {PLACE / 'measured.py'}"
os.environ["PYUNSHARE_IMPORTABLE"] = str(PLACE / "importable")

# Before any module of the package is.
RECORD = recording.Record(str(CHECKOUT), str(PLACE / "reached"))
os.register_at_fork(after_in_child=RECORD.save_at_ends)

from pyunshare import syscalls  # noqa: E402

syscalls.clone = RECORD.watching_copies(syscalls.clone)

from pyunshare.api import interpreter  # noqa: E402  # and with it what takes that name

# Launches from Python: what the intermediate process begins with, and the threads of launches, for
# which coverage.py waits in vain where no threading.Thread is made.
interpreter._START = f"""\
import _signal, sys
_signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
sys.path[0] = {str(PLACE)!r}
del sys.argv[1]
import measured
"""
_start_new_thread = _thread.start_new_thread


def _start_measured_thread(function: Callable[..., object], arguments: tuple[Any, ...]) -> int:
    def measured() -> None:
        sys.settrace(threading._trace_hook)  # type: ignore[attr-defined]
        function(*arguments)

    return _start_new_thread(measured, ())


_thread.start_new_thread = _start_measured_thread


def pytest_runtest_logstart() -> None:
    """Have a process that a test forks begin with little to write down."""
    RECORD.flush()


def pytest_unconfigure() -> None:
    """Keep what was measured, and nothing else."""
    try:
        RECORD.save()
        data = coverage.CoverageData(str(DATA))
        data.erase()
        data.add_arcs(recording.steps_in(PLACE / "reached"))
        files = (CHECKOUT / "pyunshare").rglob("*.py")
        data.touch_files([str(path.relative_to(CHECKOUT)) for path in files])  # reached or not
        data.write()
    finally:
        shutil.rmtree(PLACE)
