"""What the C library itself makes of words, numbers and programs: the model for the package.

Called through ctypes in this process, so that thousands of examples cost no more than seconds.
"""

from __future__ import annotations

import ctypes
import os
from errno import ERANGE
from typing import NamedTuple

from pyunshare.options.option import OPTIONS, Option

_LIBRARY = ctypes.CDLL(None, use_errno=True)


# ---- getopt_long(3) -----------------------------------------------------------------------------

NO_ARGUMENT, REQUIRED_ARGUMENT, OPTIONAL_ARGUMENT = range(3)


class _LongOption(ctypes.Structure):
    """``struct option`` of <getopt.h>."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("has_arg", ctypes.c_int),
        ("flag", ctypes.c_void_p),
        ("val", ctypes.c_int),
    )


class ParsedLine(NamedTuple):
    """What there is on a command line, and what is wrong with it."""

    options: list[tuple[str, str | None]]  # names and values
    rest: list[str]
    complaint: str | None


def _has_arg(option: Option) -> int:
    if option.metavar is None:
        return NO_ARGUMENT
    return REQUIRED_ARGUMENT if option.requires_value else OPTIONAL_ARGUMENT


# The value of a long option is its place in the table, out of the way of the letters.
_FIRST_LONG = 0x1000
_LONG_OPTIONS = (_LongOption * (len(OPTIONS) + 1))(
    *(
        _LongOption(option.name.encode(), _has_arg(option), None, _FIRST_LONG + place)
        for place, option in enumerate(OPTIONS)
    )
)
# The letters of options whose value is optional never take one; the plus sign is for stopping at
# the first word that is no option.
_LETTERS = b"+" + b"".join(
    option.short.encode() + (b":" if option.requires_value else b"")
    for option in OPTIONS
    if option.short
)
_BY_VALUE = {
    **{_FIRST_LONG + place: option for place, option in enumerate(OPTIONS)},
    **{ord(option.short): option for option in OPTIONS if option.short},
}


def getopt_long(name: str, words: list[str]) -> ParsedLine:
    """Parse a command line up to its first fault. ``name`` is what complaints begin with."""
    optind = ctypes.c_int.in_dll(_LIBRARY, "optind")
    optarg = ctypes.c_char_p.in_dll(_LIBRARY, "optarg")
    encoded = [os.fsencode(word) for word in [name, *words]]
    arguments = (ctypes.c_char_p * (len(encoded) + 1))(*encoded)
    options: list[tuple[str, str | None]] = []

    optind.value = 0  # forget the last line, and look at POSIXLY_CORRECT again
    with _Complaint() as complaint:
        while True:
            found = _LIBRARY.getopt_long(len(encoded), arguments, _LETTERS, _LONG_OPTIONS, None)
            if found in (-1, ord("?")):
                break
            value = optarg.value
            options.append((_BY_VALUE[found].name, None if value is None else os.fsdecode(value)))
    return ParsedLine(options, words[optind.value - 1 :], complaint.text)


class _Complaint:
    """What is written to the standard error between the beginning and the end of a block."""

    _file = os.memfd_create("complaint")

    def __enter__(self) -> _Complaint:
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._standard_error = os.dup(2)
        os.dup2(self._file, 2)
        return self

    def __exit__(self, *_: object) -> None:
        os.dup2(self._standard_error, 2)
        os.close(self._standard_error)
        written = os.pread(self._file, 1 << 16, 0)
        self.text = os.fsdecode(written) if written else None


# ---- strtoll(3) ---------------------------------------------------------------------------------

_LIBRARY.strtoll.restype = ctypes.c_longlong
_LIBRARY.strtoull.restype = ctypes.c_ulonglong


class LeadingNumber(NamedTuple):
    """The number that a text begins with."""

    value: int
    is_out_of_range: bool
    read: bytes  # with white space and sign; empty where there is no number
    rest: bytes


def strtoll(text: str) -> LeadingNumber:
    """Read a signed number of 64 bits."""
    return _leading_number("strtoll", text)


def strtoull(text: str) -> LeadingNumber:
    """Read an unsigned number of 64 bits; what is negative wraps around."""
    return _leading_number("strtoull", text)


def _leading_number(function: str, text: str) -> LeadingNumber:
    buffer = ctypes.create_string_buffer(os.fsencode(text))
    end = ctypes.c_void_p()
    ctypes.set_errno(0)
    value = getattr(_LIBRARY, function)(buffer, ctypes.byref(end), 10)
    length = (end.value or 0) - ctypes.addressof(buffer)
    read, rest = buffer.value[:length], buffer.value[length:]
    return LeadingNumber(value, ctypes.get_errno() == ERANGE, read, rest)


# ---- names of signals and users -----------------------------------------------------------------


def signal_name(number: int) -> str | None:
    """Return the name of a signal without SIG, where the C library (glibc 2.32) can tell."""
    try:
        function = _LIBRARY.sigabbrev_np
    except AttributeError:
        return None
    function.restype = ctypes.c_char_p
    name = function(number)
    return None if name is None else name.decode()


class _Passwd(ctypes.Structure):
    """``struct passwd`` of <pwd.h>."""

    _fields_ = (
        ("pw_name", ctypes.c_char_p),
        ("pw_passwd", ctypes.c_char_p),
        ("pw_uid", ctypes.c_uint),
        ("pw_gid", ctypes.c_uint),
        ("pw_gecos", ctypes.c_char_p),
        ("pw_dir", ctypes.c_char_p),
        ("pw_shell", ctypes.c_char_p),
    )


_LIBRARY.fmemopen.restype = ctypes.c_void_p
_LIBRARY.fgetpwent.restype = ctypes.POINTER(_Passwd)


def shell_of_user(user: int, passwd: str) -> str | None:
    """Return the shell of the first entry of a user in the text of a passwd(5) file."""
    text = os.fsencode(passwd)
    if not text:
        return None  # fmemopen(3) takes no empty buffer everywhere
    file = ctypes.c_void_p(_LIBRARY.fmemopen(text, ctypes.c_size_t(len(text)), b"r"))
    try:
        while True:
            entry = _LIBRARY.fgetpwent(file)
            if not entry:
                return None
            # Names that begin like this are instructions: nsswitch.conf(5), compat mode.
            is_instruction = entry.contents.pw_name.startswith((b"+", b"-"))
            if entry.contents.pw_uid == user and not is_instruction:
                return os.fsdecode(entry.contents.pw_shell)
    finally:
        _LIBRARY.fclose(file)


# ---- programs -----------------------------------------------------------------------------------


def execvp(words: list[str], errno_before: int) -> int:
    """Become a program; return errno. ``errno_before`` is what a search without a try leaves."""
    encoded = [os.fsencode(word) for word in words]
    ctypes.set_errno(errno_before)
    _LIBRARY.execvp(encoded[0], (ctypes.c_char_p * (len(encoded) + 1))(*encoded))
    return ctypes.get_errno()


def execve(path: str, words: list[str], environment: list[bytes]) -> int:
    """Become a program with an environment block that no dictionary could hold; return errno."""
    encoded = [os.fsencode(word) for word in words]
    _LIBRARY.execve(
        os.fsencode(path),
        (ctypes.c_char_p * (len(encoded) + 1))(*encoded),
        (ctypes.c_char_p * (len(environment) + 1))(*environment),
    )
    return ctypes.get_errno()
