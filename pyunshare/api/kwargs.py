"""The options as keywords of Python functions, with values of natural types.

A keyword is the long name of its option, with underscores. Its value becomes the text that would
stand on a command line, so that the options mean, imply and check the same in both places.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from signal import SIGRTMAX, SIGRTMIN
from typing import Any, Callable, Optional

from ..options.option import OPTIONS, Option
from ..options.request import Request
from ..options.signals import signal_numbers

# An option of a command line, by name, and its value
Given = tuple[str, Optional[str]]

KEYWORDS: Mapping[str, Option] = {
    option.name.replace("-", "_"): option
    for option in OPTIONS
    if option.name not in ("help", "version")
}


def given_options(keywords: Mapping[str, Any]) -> list[Given]:
    """Return the options that the keywords stand for, in their order.

    None and False are "not given". Raises TypeError for a value of a wrong type, ValueError for
    one with a character in it that the kernel cannot be given.
    """
    given: list[Given] = []
    for keyword, value in keywords.items():
        if value is None or value is False:
            continue
        option = KEYWORDS[keyword]
        if value is True:
            if option.requires_value:
                raise TypeError(f"{keyword} needs a value")
            given.append((option.name, None))
            continue
        if option.metavar is None:
            raise TypeError(f"{keyword} is True or False, not {_kind(value)}")
        given += [(option.name, text) for text in _texts(keyword, option, value)]
    return given


def request_for(given: Iterable[Given]) -> Request:
    """Return what the options ask for. Raises Failure as the command line would."""
    request = Request.from_options(given)
    request.check_setgroups()
    return request


def as_argv(given: Iterable[Given]) -> list[str]:
    """Return the options as on a command line."""
    return [f"--{name}" if value is None else f"--{name}={value}" for name, value in given]


# Values to text. Each function is given the keyword, for its complaints, and the value.


def _texts(keyword: str, option: Option, value: object) -> list[str]:
    texts = _CONVERSIONS.get(option.name, _path)(keyword, value)
    for text in texts:
        if "\0" in text:
            raise ValueError(f"{keyword}: embedded null byte")
        os.fsencode(text)  # raises for what no bytes are
    return texts


def _kind(value: object) -> str:
    return type(value).__name__


def _path(keyword: str, value: Any) -> list[str]:
    try:
        return [os.fsdecode(value)]
    except TypeError:
        hint = "; to run as another user, use setuid" if keyword == "user" else ""
        raise TypeError(f"{keyword} is a path, not {_kind(value)}{hint}") from None


def _text(keyword: str, value: object) -> list[str]:
    if not isinstance(value, (str, bytes)):
        raise TypeError(f"{keyword} is a string, not {_kind(value)}")
    return [os.fsdecode(value)]


def _number(keyword: str, value: object) -> list[str]:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{keyword} is an integer, not {_kind(value)}")
    return [str(int(value))]  # the digits of a signal, too


def _number_or_name(keyword: str, value: object) -> list[str]:
    return _text(keyword, value) if isinstance(value, (str, bytes)) else _number(keyword, value)


def _signal(keyword: str, value: object) -> list[str]:
    if isinstance(value, (str, bytes)):
        return _text(keyword, value)
    number = int(_number(keyword, value)[0])
    for name, each in signal_numbers().items():
        if each == number:
            return [name]
    if not SIGRTMIN <= number <= SIGRTMAX:
        raise ValueError(f"{keyword}: unknown signal: {number}")
    return [f"RTMIN+{number - SIGRTMIN}"]


def _ranges(keyword: str, value: Any) -> list[str]:
    """Read one range or several: text, or the numbers inner, outer, count."""
    if isinstance(value, (str, bytes)):
        return _text(keyword, value)
    try:
        parts = list(value)
    except TypeError:
        raise TypeError(f"{keyword} is a range or several, not {_kind(value)}") from None
    if parts and isinstance(parts[0], int):
        if len(parts) != 3:
            raise ValueError(f"{keyword}: a range is inner, outer, count, not {value!r}")
        return [":".join(_number(keyword, part)[0] for part in parts)]
    return [text for part in parts for text in _ranges(keyword, part)]


def _owner(keyword: str, value: Any) -> list[str]:
    if isinstance(value, (str, bytes)):
        return _text(keyword, value)
    try:
        ids = list(value)
    except TypeError:
        raise TypeError(f"{keyword} is a pair of ids, not {_kind(value)}") from None
    if len(ids) != 2:
        raise ValueError(f"{keyword} is a pair of ids, not {value!r}")
    uid, gid = ids
    return [f"{_number(keyword, uid)[0]}:{_number(keyword, gid)[0]}"]


def _names(keyword: str, value: Any) -> list[str]:
    if isinstance(value, (str, bytes)):
        return _text(keyword, value)
    try:
        names = list(value)
    except TypeError:
        raise TypeError(f"{keyword} is a list of names, not {_kind(value)}") from None
    return [text for name in names for text in _text(keyword, name)] or [""]


_CONVERSIONS: Mapping[str, Callable[[str, Any], list[str]]] = {
    "kill-child": _signal,
    "map-user": _number_or_name,
    "map-group": _number_or_name,
    "map-users": _ranges,
    "map-groups": _ranges,
    "owner": _owner,
    "propagation": _text,
    "setgroups": _text,
    "setuid": _number,
    "setgid": _number,
    "monotonic": _number,
    "boottime": _number,
    "load-interp": _text,
    "whitelist-env": _names,
}
