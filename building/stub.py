"""Write the types of the Python interface, pyunshare/__init__.pyi, from the table of options.

    python3 -m building.stub

The interface takes its keywords as they come, so that none is listed twice. This lists them for
type checkers and editors: once, in a TypedDict (PEP 692), with the overloads that typeshed has for
what decides between text and bytes.
"""

from pathlib import Path

from pyunshare.api.inprocess import NOT_FOR_A_CALLER
from pyunshare.api.kwargs import KEYWORDS
from pyunshare.options.option import Option

STUB = Path(__file__).parent.parent / "pyunshare" / "__init__.pyi"

HEAD = """\
# Made by building/stub.py from the table of options: change that, and run it.

import subprocess
from asyncio.subprocess import Process
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from os import PathLike
from types import TracebackType
from typing import IO, Any, AnyStr, Literal, TypedDict, overload

from typing_extensions import Self, Unpack

from .api.exceptions import LaunchError as LaunchError
from .api.exceptions import UsageError as UsageError

__version__: str

_Path = str | bytes | PathLike[str] | PathLike[bytes]
_Args = _Path | Sequence[_Path]
_File = int | IO[Any] | None
_Environment = Mapping[bytes, _Path] | Mapping[str, _Path]
_Range = str | tuple[int, int, int]
"""

# What subprocess has beside what its overloads are about
SUBPROCESS = {
    "executable": "_Path | None",
    "stdin": "_File",
    "stdout": "_File",
    "stderr": "_File",
    "preexec_fn": "Callable[[], Any] | None",
    "close_fds": "bool",
    "cwd": "_Path | None",
    "env": "_Environment | None",
    "restore_signals": "bool",
    "start_new_session": "bool",
    "pass_fds": "Collection[int]",
    "group": "str | int | None",
    "extra_groups": "Iterable[str | int] | None",
    "umask": "int",
    "pipesize": "int",
    "process_group": "int | None",
}
# What asyncio does without
SYNCHRONOUS = {"bufsize": "int", "shell": "bool"}
RUN = {"capture_output": "bool", "check": "bool", "timeout": "float | None"}

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
    default = "_Path | None" if option.requires_value else "bool | _Path | None"
    return TYPES.get(option.name, default)


FOR_A_CALLER = {
    name: type_of(option) for name, option in KEYWORDS.items() if name not in NOT_FOR_A_CALLER
}
FOR_A_PROGRAM = {
    name: type_of(option) for name, option in KEYWORDS.items() if name in NOT_FOR_A_CALLER
}

REST = """\
def unshare(**options: Unpack[_Options]) -> None: ...
async def create_subprocess_exec(
    program: _Path, *args: _Path, limit: int = ..., **keywords: Unpack[_Keywords]
) -> Process: ...
"""
LAUNCHER = """
_Program = Popen

class Launcher:
    def __init__(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
"""


def keywords(name: str, bases: str, types: "dict[str, str]") -> str:
    """Return a class of the stub that names keywords."""
    lines = "".join(f"    {keyword}: {kind}\n" for keyword, kind in types.items())
    return f"\nclass {name}({bases}, total=False):\n{lines}"


def overloads(start: str, rest: str, result: str, indent: str, content: str = "") -> str:
    """Return a function of the stub, once for each mode that ``{}`` in it stands for."""
    text = ""
    for mode, kind in MODES:
        parameters = [*filter(None, [start, "*", content]), *(f"{n}: {t}" for n, t in mode.items())]
        if kind == "Any":
            parameters = [each.replace("{} | None", "Any") for each in parameters]
        lines = f",\n{indent}    ".join([*parameters, f"**keywords: Unpack[{rest}]"])
        name, _, first = lines.replace(", args", f",\n{indent}    args").partition("(")
        text += f"{indent}@overload\n{indent}def {name}(\n{indent}    {first},\n"
        text = f"{text}{indent}) -> {result}: ...\n".replace("{}", kind)
    return text


def stub() -> str:
    """Return the text of the stub."""
    run = "_Run", "subprocess.CompletedProcess[{}]"
    return "".join(
        [
            HEAD,
            keywords("_Options", "TypedDict", FOR_A_CALLER),
            keywords("_Keywords", "_Options", {**FOR_A_PROGRAM, **SUBPROCESS}),
            keywords("_Popen", "_Keywords", SYNCHRONOUS),
            keywords("_Run", "_Popen", RUN),
            "\nclass Popen(subprocess.Popen[AnyStr]):\n",
            overloads("__init__(self: Popen[{}], args: _Args", "_Popen", "None", "    "),
            "\n",
            overloads("run(args: _Args", *run, "", "input: {} | None = None"),
            REST,
            LAUNCHER,
            overloads("run(self, args: _Args", *run, "    ", "input: {} | None = None"),
            overloads("Popen(self, args: _Args", "_Popen", "_Program[{}]", "    "),
        ]
    )


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
