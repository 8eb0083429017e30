"""Write the types of the Python interface, pyunshare/__init__.pyi, from the table of options.

    python3 -m building.stub

The interface takes its keywords as they come, so that none is listed twice. This lists them for
type checkers and editors, with overloads as typeshed has them for subprocess.
"""

from pathlib import Path

from pyunshare.api.inprocess import NOT_FOR_A_CALLER
from pyunshare.api.kwargs import KEYWORDS
from pyunshare.options.option import Option

STUB = Path(__file__).parent.parent / "pyunshare" / "__init__.pyi"

HEAD = """\
# Made by building/stub.py from the table of options: change that, and run it.

import subprocess
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from os import PathLike
from typing import IO, Any, AnyStr, Literal, overload

from .api.exceptions import LaunchError as LaunchError
from .api.exceptions import UsageError as UsageError

__version__: str

_Path = str | bytes | PathLike[str] | PathLike[bytes]
_Args = _Path | Sequence[_Path]
_File = int | IO[Any] | None
_Environment = Mapping[bytes, _Path] | Mapping[str, _Path]
_Range = str | tuple[int, int, int]
_Outputs = tuple[bytes | None, bytes | None]
"""

PROCESS = """
class Process:
    stdin: StreamWriter | None
    stdout: StreamReader | None
    stderr: StreamReader | None
    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    async def communicate(self, input: bytes | None = None) -> _Outputs: ...
    def send_signal(self, signal: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
"""

# What subprocess has beside what its overloads are about
SUBPROCESS = {
    "bufsize": "int = -1",
    "executable": "_Path | None = None",
    "stdin": "_File = None",
    "stdout": "_File = None",
    "stderr": "_File = None",
    "preexec_fn": "Callable[[], Any] | None = None",
    "close_fds": "bool = True",
    "shell": "bool = False",
    "cwd": "_Path | None = None",
    "env": "_Environment | None = None",
    "restore_signals": "bool = True",
    "start_new_session": "bool = False",
    "pass_fds": "Collection[int] = ()",
    "group": "str | int | None = None",
    "extra_groups": "Iterable[str | int] | None = None",
    "umask": "int = -1",
    "pipesize": "int = -1",
    "process_group": "int | None = None",
}
RUN = {"capture_output": "bool = False", "check": "bool = False", "timeout": "float | None = None"}
ASYNCHRONOUS = {name: SUBPROCESS[name] for name in SUBPROCESS if name not in ("bufsize", "shell")}

# What decides between text and bytes, and what comes of it: as in typeshed
TEXT = {
    "text": "bool | None = None",
    "encoding": "str | None = None",
    "errors": "str | None = None",
    "universal_newlines": "bool | None = None",
}
MODES = [
    ({**TEXT, "text": "Literal[True]"}, "str"),
    ({**TEXT, "encoding": "str"}, "str"),
    ({**TEXT, "errors": "str"}, "str"),
    ({**TEXT, "universal_newlines": "Literal[True]"}, "str"),
    (
        {
            "text": "Literal[False] | None = None",
            "encoding": "None = None",
            "errors": "None = None",
            "universal_newlines": "Literal[False] | None = None",
        },
        "bytes",
    ),
    (TEXT, "Any"),
]

TYPES = {
    "kill-child": "bool | str | int | None",
    "map-user": "int | str | None",
    "map-group": "int | str | None",
    "map-users": "_Range | Iterable[_Range] | None",
    "map-groups": "_Range | Iterable[_Range] | None",
    "owner": "str | tuple[int, int] | None",
    "propagation": 'Literal["private", "slave", "shared", "unchanged"] | None',
    "setgroups": 'Literal["allow", "deny"] | None',
    "setuid": "int | None",
    "setgid": "int | None",
    "monotonic": "int | None",
    "boottime": "int | None",
    "load-interp": "str | None",
    "whitelist-env": "str | Iterable[str] | None",
}


def type_of(option: Option) -> str:
    """Return the type of an option's keyword."""
    if option.metavar is None:
        return "bool | None"
    return TYPES.get(
        option.name, "_Path | None" if option.requires_value else "bool | _Path | None"
    )


OPTIONS = {name: f"{type_of(option)} = None" for name, option in KEYWORDS.items()}
FOR_A_CALLER = {name: text for name, text in OPTIONS.items() if name not in NOT_FOR_A_CALLER}


def function(start: str, *parts: "dict[str, str]", end: str, indent: str = "") -> str:
    """Return a function of the stub."""
    lines = [f"{name}: {text}" for part in parts for name, text in part.items()]
    inner = f",\n{indent}    ".join([start.partition("(")[2], "*", *lines]).lstrip(", \n")
    return (
        f"{indent}def {start.partition('(')[0]}(\n{indent}    {inner},\n{indent}) -> {end}: ...\n"
    )


def stub() -> str:
    """Return the text of the stub."""
    text = HEAD + "\nclass Popen(subprocess.Popen[AnyStr]):\n"
    for mode, kind in MODES:
        text += "    @overload\n"
        start = f"__init__(self: Popen[{kind}],\n        args: _Args"
        text += function(start, SUBPROCESS, mode, OPTIONS, end="None", indent="    ")
    text += "\n"
    for mode, kind in MODES:
        content = {"input": f"{kind} | None = None" if kind != "Any" else "Any = None"}
        end = f"subprocess.CompletedProcess[{kind}]"
        text += "@overload\n" + function(
            "run(args: _Args", SUBPROCESS, content, RUN, mode, OPTIONS, end=end
        )
    text += function("unshare(", FOR_A_CALLER, end="None")
    text += PROCESS
    start = "create_subprocess_exec(program: _Path,\n    *args: _Path"
    words = function(start, {"limit": "int = ..."}, ASYNCHRONOUS, OPTIONS, end="Process")
    return text + "\nasync " + words.replace("    *,\n", "")


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
