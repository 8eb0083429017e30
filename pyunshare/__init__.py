"""unshare(1) in pure Python: run a program in new Linux namespaces."""

from .version import __version__ as __version__

# The Python interface: where each name is, loaded when it is used first. See docs/python.md.
_INTERFACE = {
    "LaunchError": "api.exceptions",
    "Popen": "api.popen",
    "UsageError": "api.exceptions",
    "create_subprocess_exec": "api.aio",
    "run": "api.popen",
    "unshare": "api.inprocess",
}


def __getattr__(name: str) -> object:
    if name not in _INTERFACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_INTERFACE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *_INTERFACE})
