"""A plugin of pytest's: the command under test becomes ``measured.py``, its data coverage.py's.

``coverage run -m pytest -p tests.helpers.measuring`` measures the tests of single functions in
pytest's own process, and with this plugin every process of the launches that tests make. See
``tox.ini``.
"""

from __future__ import annotations

import _thread
import compileall
import json
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Callable

import coverage
import pytest

from pyunshare.api import interpreter

CHECKOUT = Path(__file__).resolve().parents[2]
DATA = CHECKOUT / ".coverage.launches"  # to be combined with that of pytest's own process


def _prepare() -> Path:
    """Return a directory from which every user can run ``measured.py``."""
    place = Path(tempfile.mkdtemp(prefix="pyunshare-tests-measured-"))
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "pyunshare", place / "pyunshare", ignore=ignore)
    shutil.copytree(Path(coverage.__file__).parent, place / "coverage", ignore=ignore)
    shutil.copy(Path(__file__).with_name("measured.py"), place)
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


# Before any test module is imported: support.py asks for the command then.
INTERPRETER = _interpreter()
PLACE = _prepare()
os.environ["PYUNSHARE_COMMAND"] = f"{INTERPRETER} -IS {PLACE / 'measured.py'}"

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


def _collect() -> None:
    """Make coverage.py's data of what the launches have written down."""
    steps: dict[str, set[tuple[int, int]]] = {}
    for path in (PLACE / "reached").iterdir():
        for line in path.read_text().splitlines(keepends=True):
            try:
                found = json.loads(line)
            except ValueError:
                continue  # killed at it, or by a limit not written to its end
            for name, pairs in found.items():
                steps.setdefault(name, set()).update((start, end) for start, end in pairs)
    DATA.unlink(missing_ok=True)
    data = coverage.CoverageData(str(DATA))
    data.add_arcs(steps)
    data.write()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Keep what was measured, and nothing else."""
    try:
        _collect()
    finally:
        shutil.rmtree(PLACE)
