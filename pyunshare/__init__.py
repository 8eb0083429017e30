"""unshare(1) in pure Python: run a program in new Linux namespaces."""

import sys as _sys

if _sys.implementation.name != "cpython" or _sys.version_info < (3, 9):
    _this = (_sys.implementation.name,) + _sys.version_info[:2]  # noqa: RUF005
    _needed = "pyunshare: needs CPython 3.9 or newer, and this is %s %d.%d" % _this  # noqa: UP031
    if getattr(_sys, "argv", None) and _sys.argv[0] == "-m":  # python3 -m pyunshare
        _sys.exit(_needed)
    raise ImportError(_needed)

import posix as _posix
from _thread import RLock as _RLock

# The Python interface: where each name is, loaded when it is used first. See docs/python.md.
_INTERFACE = {
    "LaunchError": "api.exceptions",
    "Launcher": "api.launcher",
    "Popen": "api.popen",
    "UsageError": "api.exceptions",
    "__version__": "version",
    "create_subprocess_exec": "api.aio",
    "run": "api.popen",
    "unshare": "api.inprocess",
}
__all__ = [*_INTERFACE]

# A process that is forked while another thread loads would find a module's lock held for good.
_loading = _RLock()
_posix.register_at_fork(
    before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release
)


def __getattr__(name: str) -> object:
    if name not in _INTERFACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    with _loading:
        value = getattr(import_module(f"{__name__}.{_INTERFACE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
