"""CPython's own tests of subprocess and asyncio, with pyunshare in the place of both."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.helpers import support
from tests.helpers.machine import needs

SUBPROCESS = "test.test_subprocess"
ASYNCIO = "test.test_asyncio.test_subprocess"

# The deliberate differences: tests that fail, and why they do
DIFFERENT: dict[str, dict[str, str]] = {
    SUBPROCESS: {
        r"POSIXProcessTestCase\.test_user.*": "user is the user namespace",
        r"\w+\.test__use_vfork|\w+\.test_exception_errpipe_\w+": (
            "it mocks what subprocess starts a child with, where another process starts it"
        ),
        r"POSIXProcessTestCase\.test_extra_groups(_empty_list)?": "unmapped groups are nobody's",
        r"POSIXProcessTestCase\.test_group \(.*\)": (
            "the group is changed before the maps are written, and the failure names the map"
        ),
        r"ProcessTestCase(NoPoll)?\.test_repr": "it mocks what subprocess starts a child with",
        r"POSIXProcessTestCase\.test_leak_fast_process_del_killed": (
            "a program that is not there is known before subprocess reaps abandoned children"
        ),
    },
    ASYNCIO: {
        r"GenericWatcherTests\..*": "no child watcher is used, nor asked for",
        r"Subprocess\w+\.test_popen_error\w*": "it mocks subprocess.Popen, which is not called",
        r"Subprocess\w+\.test_exec_loop_deprecated": "only CPython 3.9 still has that parameter",
    },
}
RUNS: list[tuple[str, str, dict[str, Any], int]] = [
    (SUBPROCESS, "thread", {"uts": True}, 250),
    (SUBPROCESS, "copy", {"map_current_user": True}, 250),
    (SUBPROCESS, "interpreter", {"map_current_user": True}, 250),
    (SUBPROCESS, "launcher", {"map_current_user": True}, 250),
    (ASYNCIO, "thread", {"uts": True}, 50),
    (ASYNCIO, "interpreter", {"map_current_user": True}, 50),
]

pytestmark = [pytest.mark.thorough, needs("root", "user namespaces")]


def is_there(name: str) -> bool:
    """Whether Python has a module; Debian's has some of ``test``, and perhaps not its package."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_a_module_whose_package_is_missing_is_not_there() -> None:
    assert is_there("asyncio.subprocess")
    assert not is_there("asyncio.no_package.no_module")
    assert not is_there("no_package.no_module")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "backend", "options", "least"), RUNS, ids=lambda each: str(each).replace("test.", "")
)
def test_cpython_finds_no_other_difference(
    name: str, backend: str, options: dict[str, Any], least: int
) -> None:
    if not is_there(name):
        pytest.skip("missing tool: CPython's own tests")
    shown = subprocess.run(
        [sys.executable, "-m", "tests.helpers.cpython", name, backend, str(options)],
        env={**os.environ, "PYTHONPATH": support.IMPORTABLE},
        cwd=support.new_directory(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.stdout, shown.stderr[-2000:]
    result = json.loads(shown.stdout)
    failed = [
        test
        for test in result["failed"]
        if not any(re.fullmatch(pattern, test) for pattern in DIFFERENT[name])
    ]
    assert failed == [], shown.stderr
    assert result["run"] >= least
