"""What CI tells of the jobs that it runs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers import support

SOURCE = support.CHECKOUT / ".ci" / "everything.py"

# What a job prints: a step of on_clean_debian, one of tox, and what pytest does
PRINTED = """\
sid: making a clean root (0.0 min)
py314: install_deps> python -I -m pip install pytest
platform linux -- Python 3.14.10, pytest-9.2.0, pluggy-1.7.0
tests/test_values.py ....                                         [ 45%]
SKIPPED [3] tests/helpers/machine.py:180: missing tool: fish
===== 2 failed, 40 passed, 3 skipped, 1 warning, 1 error in 12.85s =====
"""


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script as a module, with a directory of its own for what jobs print."""
    specification = importlib.util.spec_from_file_location("everything", SOURCE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "everything", module)
    specification.loader.exec_module(module)
    monkeypatch.setattr(module, "LOGS", tmp_path)
    return module


def test_a_job_tells_how_far_it_is(
    everything: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    program = f"print({PRINTED!r}); raise SystemExit(3)"
    status, runs = everything.do(everything.Job("sid", [sys.executable, "-c", program]))
    assert status == 3
    (run,) = runs
    assert run._replace(minutes=0) == ("sid", "3.14.10", 0, 40, 3, 3)
    shown = capsys.readouterr().out
    for told in (
        "sid begins",
        "sid: making a clean root",
        "sid: py314: install_deps",
        "sid: Python 3.14.10: 45 %",
        "sid failed: status 3",
    ):
        assert f" min] {told}\n" in shown
    assert PRINTED in shown  # all of it, for it has failed
    table = everything.table(runs)
    assert "sid          3.14.10        0.0      40       3       3" in table
    assert "     3  missing tool: fish" in table


def test_one_failed_job_fails_all(
    everything: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYUNSHARE_ROOTS", "")
    monkeypatch.setattr(everything, "build_sdist", lambda: "sdist")
    monkeypatch.setattr(everything, "pythons", lambda: ["py39"])
    for failing, status in (("py39", 1), ("none", 0)):
        program = f"import sys; print('=== 1 passed in 1s ==='); sys.exit({failing!r} in sys.argv)"
        monkeypatch.setattr(everything, "TOX", [sys.executable, "-c", program])
        assert everything.main() == status
        assert capsys.readouterr().out.endswith("\n3 passed, 0 failed, 0 skipped\n")


def test_roots_are_for_root(
    everything: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYUNSHARE_ROOTS", "bullseye sid")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert everything.suites() == ["bullseye", "sid"]
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert everything.suites() == []
    assert "only root can make their roots: bullseye, sid\n" in capsys.readouterr().out
    monkeypatch.setenv("PYUNSHARE_ROOTS", "")
    assert everything.suites() == []
    assert capsys.readouterr().out == ""


def test_no_python_runs_the_tests_twice(
    everything: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of tox runs all of them already."""
    monkeypatch.setenv("TOX_DISCOVER", sys.executable)
    monkeypatch.setenv("PATH", "/nonexistent")
    own = f"py3{sys.version_info[1]}"
    assert own not in everything.pythons()
    monkeypatch.setattr(sys, "version_info", (3, 99))
    assert own in everything.pythons()
