"""Run CPython's own tests of subprocess and asyncio with pyunshare in the place of both.

``python -m tests.helpers.cpython NAME BACKEND KEYWORDS`` runs the tests of the module NAME, such as
``test.test_subprocess``, with the keywords added to each launch, and prints the names of those that
fail, as JSON.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import os
import subprocess
import sys
import unittest
from typing import Any

import pyunshare
from pyunshare.api import caller
from pyunshare.api import popen as interface

ADDED: dict[str, Any] = {}


class Popen(pyunshare.Popen):
    """What takes the place of subprocess.Popen: options of ours are added."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **{**ADDED, **keywords})


async def create_subprocess_exec(*args: Any, **keywords: Any) -> Any:
    """What takes the place of asyncio.create_subprocess_exec()."""
    return await pyunshare.create_subprocess_exec(*args, **{**ADDED, **keywords})


def main() -> None:
    """Run the tests."""
    name, backend, added = sys.argv[1], sys.argv[2], ast.literal_eval(sys.argv[3])
    ADDED.update(added)
    caller.MOST_PAGE_TABLES = -1 if backend == "interpreter" else 1 << 40
    if backend == "launcher":
        interface.Popen._launcher = pyunshare.Launcher()
    subprocess.Popen = Popen  # type: ignore[misc]
    asyncio.create_subprocess_exec = create_subprocess_exec  # type: ignore[assignment]
    asyncio.subprocess.create_subprocess_exec = create_subprocess_exec  # type: ignore[assignment]
    tests = unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(name))
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=2).run(tests)
    failed = {test.id().partition(f"{name}.")[2] for test, _ in [*result.failures, *result.errors]}
    sys.stdout.write(json.dumps({"run": result.testsRun, "failed": sorted(failed)}))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
