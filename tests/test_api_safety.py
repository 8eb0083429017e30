"""What is given for a program acts on that alone, and never on code with the caller's rights."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pyunshare
from tests.helpers import support
from tests.helpers.machine import needs
from tests.test_api import MORE, NAMESPACES_ONLY, using

pytestmark = needs("root", "compiler", "child lists")

NOBODY = 65534

# A library that writes down with which rights it is loaded, into which program
LIBRARY = """
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void loaded(void)
{
    char program[256], line[320];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length < 0 ? 0 : length] = 0;
    length = snprintf(line, sizeof line, "%d %s\\n", (int)geteuid(), program);
    int log = open(LOG, O_WRONLY | O_APPEND);
    if (log >= 0 && write(log, line, length) == length)
        close(log);
}
"""


@pytest.fixture(scope="module")
def library() -> tuple[Path, Path]:
    """The library, and the file that it writes to."""
    directory = support.new_directory()
    directory.chmod(0o755)
    log = directory / "log"
    log.touch()
    log.chmod(0o666)
    source = directory / "evil.c"
    source.write_text(LIBRARY)
    file = directory / "evil.so"
    line = ["cc", "-shared", "-fPIC", f'-DLOG="{log}"', "-o", str(file), str(source)]
    subprocess.run(line, check=True)
    return file, log


# What is asked for, so that the program has fewer rights than the caller
FEWER_RIGHTS: dict[str, dict[str, Any]] = {
    "ids": {"setuid": NOBODY, "setgid": NOBODY},
    "forked": {"setuid": NOBODY, "setgid": NOBODY, "fork": True},
    "kill-child": {"setuid": NOBODY, "setgid": NOBODY, "kill_child": True},
    "pid": {"setuid": NOBODY, "pid": True, "fork": True, "mount_proc": True},
    "user": {"map_users": (0, NOBODY, 1), "map_groups": (0, NOBODY, 1), "setuid": 0},
    "owner": {"map_user": 1, "owner": (NOBODY, NOBODY)},
}

# What the program sees of its user
UIDS = {**dict.fromkeys(FEWER_RIGHTS, NOBODY), "user": 0}
PROGRAM = os.path.realpath(shutil.which("true") or "/bin/true")

# How the library comes to be loaded: keywords, and what is to be done before
Given = Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]


def by_env(library: Path, _: pytest.MonkeyPatch) -> dict[str, Any]:
    """By the program's environment."""
    return {"env": {"LD_PRELOAD": str(library), "PATH": "/usr/bin:/bin"}}


def by_own_env(library: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """By os.environ, which is meant for programs as well."""
    monkeypatch.setenv("LD_PRELOAD", str(library))
    return {}


def by_whitelist(library: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """By a variable that is kept."""
    monkeypatch.setenv("LD_PRELOAD", str(library))
    return {"whitelist_env": ["LD_PRELOAD", "PATH"]}


def by_directory(library: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """By the working directory, as a relative path."""
    directory = support.new_directory()
    directory.chmod(0o755)
    for name in ("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "libutil.so.1"):
        shutil.copy(library, directory / name)
    return {"cwd": directory, "env": {"LD_LIBRARY_PATH": ":", "PATH": "/usr/bin:/bin"}}


@pytest.mark.parametrize("backend", ["thread", "copy", "interpreter", "launcher"])
@pytest.mark.parametrize("given", [by_env, by_own_env, by_whitelist, by_directory])
@pytest.mark.parametrize("rights", FEWER_RIGHTS)
def test_no_library_of_the_program_is_loaded_by_the_caller(
    backend: str,
    given: Given,
    rights: str,
    library: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, log = library
    log.write_text("")
    with using(backend, monkeypatch):
        keywords = given(file, monkeypatch)
        pyunshare.run(["true"], **keywords, **FEWER_RIGHTS[rights], capture_output=True)
    loaded = {tuple(line.split()) for line in log.read_text().splitlines()}
    is_loaded = (
        given is not by_directory
    )  # which takes a library of the same name, with its symbols
    assert loaded == ({(str(UIDS[rights]), PROGRAM)} if is_loaded else set())


@pytest.mark.parametrize("backend", ["copy", "interpreter", "launcher"])
def test_python_variables_act_on_no_interpreter(
    backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    marker = tmp_path / "loaded"
    for name in ("sitecustomize", "usercustomize", "posix", "pyunshare", "marshal", "_socket"):
        (tmp_path / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write('{name}')\n")
    env = {"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "posix.py"), "PATH": "/bin"}
    with using(backend, monkeypatch):
        for given in MORE.values():
            pyunshare.run(["true"], env=env, cwd=tmp_path, **given)
    assert not marker.exists()


@pytest.mark.parametrize("backend", ["thread", "copy", "interpreter", "launcher"])
def test_a_directory_as_standard_input(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter would not begin with that."""
    directory = os.open("/", os.O_RDONLY)
    given = NAMESPACES_ONLY if backend == "thread" else MORE
    try:
        with using(backend, monkeypatch):
            for each in given.values():
                result = pyunshare.run(["true"], stdin=directory, capture_output=True, **each)
                assert (result.returncode, result.stderr) == (0, b"")
    finally:
        os.close(directory)
