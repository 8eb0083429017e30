"""docs/python.md: each example runs, each option is named; the types are those of the table."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from building import stub
from pyunshare.api.kwargs import KEYWORDS
from tests.helpers import support
from tests.helpers.machine import needs

TEXT = (support.CHECKOUT / "docs" / "python.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
ENVIRONMENT = {**os.environ, "PYTHONPATH": support.IMPORTABLE}


@needs("root", "user namespaces")
@pytest.mark.parametrize("index", range(len(EXAMPLES)))
def test_example_runs(index: int) -> None:
    line = [sys.executable, "-X", "dev", "-W", "error", "-c", EXAMPLES[index]]
    result = subprocess.run(
        line, cwd="/", env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    # asyncio's debug mode tells of a busy machine.
    busy = r"^Executing <.* took \d+\.\d+ seconds\n"
    errors = re.sub(busy, "", result.stderr, flags=re.MULTILINE)
    assert (result.returncode, result.stdout, errors) == (0, "", "")


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_option_is_in_the_table(keyword: str) -> None:
    assert re.search(rf"^\|.*`{keyword}`.*\|.*\|$", TEXT, re.MULTILINE)


# ---- types --------------------------------------------------------------------------------------

GOOD = """
import asyncio
import signal
import subprocess
from pathlib import Path

import pyunshare

text: subprocess.CompletedProcess[str] = pyunshare.run(["ls"], text=True, pid=True, fork=True)
also: subprocess.CompletedProcess[str] = pyunshare.run("ls", encoding="utf-8", net=Path("/n"))
data: subprocess.CompletedProcess[bytes] = pyunshare.run(["ls"], input=b"", map_user="root")
process: pyunshare.Popen[bytes] = pyunshare.Popen(
    ["ls"], map_users=[(0, 100000, 65536), "auto"], kill_child=signal.SIGTERM, propagation="slave"
)
with pyunshare.Popen(["ls"], universal_newlines=True, stdout=subprocess.PIPE) as other:
    output: str = other.communicate()[0]
base: subprocess.Popen[bytes] = process
with pyunshare.Launcher() as launcher:
    shown: str = launcher.run(["ls"], text=True, uts=True).stdout
    started: pyunshare.Popen[bytes] = launcher.Popen(["ls"], stdin=subprocess.PIPE, net="/n")
pyunshare.unshare(uts=True, map_root_user=True, monotonic=5, owner=(0, 0))
try:
    pass
except pyunshare.LaunchError as error:
    step: str = error.step
except pyunshare.UsageError as wrong:
    reason: ValueError = wrong


async def main() -> bytes | None:
    child = await pyunshare.create_subprocess_exec("ls", "-l", uts=True, stdout=subprocess.PIPE)
    same: asyncio.subprocess.Process = child
    return (await same.communicate(b""))[0]


asyncio.run(main())
"""
BAD = (
    'pyunshare.run(["ls"], no_such_keyword=True)',
    'pyunshare.run(["ls"], fork="yes")',
    'pyunshare.run(["ls"], propagation="x")',
    'pyunshare.run(["ls"], setuid="0")',
    'pyunshare.run(["ls"], user=5)',
    'pyunshare.run(["ls"], map_users=[5])',
    "pyunshare.unshare(fork=True)",
    "pyunshare.run()",
    "pyunshare.Launcher().run()",
    'pyunshare.Launcher().Popen(["ls"], setuid="0")',
    "pyunshare.nothing",
)


def test_types_are_those_of_the_table() -> None:
    assert stub.STUB.read_text() == stub.stub(), "run python3 -m building.stub"


@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="missing tool: mypy")
def test_types_as_a_type_checker_sees_them(tmp_path: Path) -> None:
    source = tmp_path / "sample.py"
    source.write_text(GOOD + "\n".join(BAD) + "\n")
    line = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.10"]
    line += ["--config-file", os.devnull, "--cache-dir", str(tmp_path / "cache"), str(source)]
    environment = {**os.environ, "MYPYPATH": str(support.CHECKOUT)}
    shown = subprocess.run(
        line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    errors = [found for found in shown.stdout.splitlines() if ": error:" in found]
    lines = sorted({int(found.split(":")[1]) for found in errors if "sample.py" in found})
    first = GOOD.count("\n") + 1
    assert lines == list(range(first, first + len(BAD))), shown.stdout
