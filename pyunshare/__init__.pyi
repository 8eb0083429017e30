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

class _Options(TypedDict, total=False):
    mount: bool | _Path | None
    uts: bool | _Path | None
    ipc: bool | _Path | None
    net: bool | _Path | None
    pid: bool | _Path | None
    user: bool | _Path | None
    cgroup: bool | _Path | None
    time: bool | _Path | None
    mount_proc: bool | _Path | None
    mount_binfmt: bool | _Path | None
    map_user: int | str | None
    map_users: _Range | Iterable[_Range] | None
    map_group: int | str | None
    map_groups: _Range | Iterable[_Range] | None
    map_root_user: bool | None
    map_current_user: bool | None
    map_auto: bool | None
    map_subids: bool | None
    owner: str | tuple[int, int] | None
    propagation: Literal["private", "slave", "shared", "unchanged"] | None
    setgroups: Literal["allow", "deny"] | None
    keep_caps: bool | None
    setuid: int | None
    setgid: int | None
    root: _Path | None
    wd: _Path | None
    monotonic: int | None
    boottime: int | None
    load_interp: str | None

class _Keywords(_Options, total=False):
    fork: bool | None
    kill_child: bool | str | int | None
    forward_signals: bool | None
    clear_env: bool | None
    whitelist_env: str | Iterable[str] | None
    executable: _Path | None
    stdin: _File
    stdout: _File
    stderr: _File
    preexec_fn: Callable[[], Any] | None
    close_fds: bool
    cwd: _Path | None
    env: _Environment | None
    restore_signals: bool
    start_new_session: bool
    pass_fds: Collection[int]
    group: str | int | None
    extra_groups: Iterable[str | int] | None
    umask: int
    pipesize: int
    process_group: int | None

class _Popen(_Keywords, total=False):
    bufsize: int
    shell: bool

class _Run(_Popen, total=False):
    capture_output: bool
    check: bool
    timeout: float | None

class Popen(subprocess.Popen[AnyStr]):
    @overload
    def __init__(
        self: Popen[str],
        args: _Args,
        *,
        text: Literal[True],
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Popen],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: _Args,
        *,
        text: bool | None = None,
        encoding: str,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Popen],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: _Args,
        *,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Popen],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: _Args,
        *,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: Literal[True],
        **keywords: Unpack[_Popen],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[bytes],
        args: _Args,
        *,
        text: Literal[False] | None = None,
        encoding: None = None,
        errors: None = None,
        universal_newlines: Literal[False] | None = None,
        **keywords: Unpack[_Popen],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[Any],
        args: _Args,
        *,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Popen],
    ) -> None: ...

@overload
def run(
    args: _Args,
    *,
    input: str | None = None,
    text: Literal[True],
    encoding: str | None = None,
    errors: str | None = None,
    universal_newlines: bool | None = None,
    **keywords: Unpack[_Run],
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    args: _Args,
    *,
    input: str | None = None,
    text: bool | None = None,
    encoding: str,
    errors: str | None = None,
    universal_newlines: bool | None = None,
    **keywords: Unpack[_Run],
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    args: _Args,
    *,
    input: str | None = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str,
    universal_newlines: bool | None = None,
    **keywords: Unpack[_Run],
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    args: _Args,
    *,
    input: str | None = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    universal_newlines: Literal[True],
    **keywords: Unpack[_Run],
) -> subprocess.CompletedProcess[str]: ...
@overload
def run(
    args: _Args,
    *,
    input: bytes | None = None,
    text: Literal[False] | None = None,
    encoding: None = None,
    errors: None = None,
    universal_newlines: Literal[False] | None = None,
    **keywords: Unpack[_Run],
) -> subprocess.CompletedProcess[bytes]: ...
@overload
def run(
    args: _Args,
    *,
    input: Any = None,
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    universal_newlines: bool | None = None,
    **keywords: Unpack[_Run],
) -> subprocess.CompletedProcess[Any]: ...
def unshare(**options: Unpack[_Options]) -> None: ...
async def create_subprocess_exec(
    program: _Path, *args: _Path, limit: int = ..., **keywords: Unpack[_Keywords]
) -> Process: ...

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
    @overload
    def run(
        self,
        args: _Args,
        *,
        input: str | None = None,
        text: Literal[True],
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Run],
    ) -> subprocess.CompletedProcess[str]: ...
    @overload
    def run(
        self,
        args: _Args,
        *,
        input: str | None = None,
        text: bool | None = None,
        encoding: str,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Run],
    ) -> subprocess.CompletedProcess[str]: ...
    @overload
    def run(
        self,
        args: _Args,
        *,
        input: str | None = None,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Run],
    ) -> subprocess.CompletedProcess[str]: ...
    @overload
    def run(
        self,
        args: _Args,
        *,
        input: str | None = None,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: Literal[True],
        **keywords: Unpack[_Run],
    ) -> subprocess.CompletedProcess[str]: ...
    @overload
    def run(
        self,
        args: _Args,
        *,
        input: bytes | None = None,
        text: Literal[False] | None = None,
        encoding: None = None,
        errors: None = None,
        universal_newlines: Literal[False] | None = None,
        **keywords: Unpack[_Run],
    ) -> subprocess.CompletedProcess[bytes]: ...
    @overload
    def run(
        self,
        args: _Args,
        *,
        input: Any = None,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Run],
    ) -> subprocess.CompletedProcess[Any]: ...
    @overload
    def Popen(
        self,
        args: _Args,
        *,
        text: Literal[True],
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Popen],
    ) -> _Program[str]: ...
    @overload
    def Popen(
        self,
        args: _Args,
        *,
        text: bool | None = None,
        encoding: str,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Popen],
    ) -> _Program[str]: ...
    @overload
    def Popen(
        self,
        args: _Args,
        *,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Popen],
    ) -> _Program[str]: ...
    @overload
    def Popen(
        self,
        args: _Args,
        *,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: Literal[True],
        **keywords: Unpack[_Popen],
    ) -> _Program[str]: ...
    @overload
    def Popen(
        self,
        args: _Args,
        *,
        text: Literal[False] | None = None,
        encoding: None = None,
        errors: None = None,
        universal_newlines: Literal[False] | None = None,
        **keywords: Unpack[_Popen],
    ) -> _Program[bytes]: ...
    @overload
    def Popen(
        self,
        args: _Args,
        *,
        text: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        universal_newlines: bool | None = None,
        **keywords: Unpack[_Popen],
    ) -> _Program[Any]: ...
