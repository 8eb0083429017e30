"""What a launch rarely does to an environment: environ(7)."""

import posix

from ..syscalls import fsencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .program import Environment

_kept: "list[object]" = []  # blocks that the C library uses and does not own


def filter_env(given: "Environment", names: "list[str]") -> "Environment":
    """Return the variables of these names, the last one first, as util-linux orders such a list."""
    wanted = [fsencode(name) for name in reversed(names) if name]
    return {name: given[name] for name in wanted if name in given}


def restore_variable(name: bytes, given: bytes) -> None:
    """Give a variable back that Python has removed, in the place where it was.

    ``given`` is what /proc/self/environ says. The whole block is restored, for setenv(3) would put
    the variable at the end, and cannot express one that is there twice.
    """
    entries = given[:-1].split(b"\0")  # each entry ends with a NUL byte
    values = [entry.partition(b"=")[2] for entry in entries if entry.startswith(name + b"=")]
    if not values:
        return
    posix.environ[name] = values[0]
    try:
        set_entries(entries)
    except ImportError:  # a Python without ctypes
        posix.putenv(name, values[0])


def set_entries(entries: "list[bytes]") -> None:
    """Give execve(2) these entries, though no dictionary can hold them. Raises ImportError."""
    import ctypes

    block = (ctypes.c_char_p * (len(entries) + 1))(*entries, None)
    _kept.append(block)
    ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ").value = ctypes.addressof(block)
