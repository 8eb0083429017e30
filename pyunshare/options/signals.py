"""Signals by name, as --kill-child takes them: see signal(7)."""

import _signal
from _signal import SIGRTMAX, SIGRTMIN

from ..errors import Failure
from .values import DIGITS


def signal_numbers() -> "dict[str, int]":
    """Return the number of each signal that has a name of its own, by name without SIG."""
    numbers = {
        name[3:]: int(getattr(_signal, name))
        for name in dir(_signal)
        if name.startswith("SIG") and not name.startswith(("SIG_", "SIGRT"))
    }
    if int(_signal.SIGCHLD) == 17:  # as on most architectures; CPython 3.11 has the name itself
        numbers.setdefault("STKFLT", 16)
    numbers.setdefault("CLD", int(_signal.SIGCHLD))  # which musl does not name
    return numbers


def signal_number(text: str) -> int:
    """Return the number of a signal by its name, in any case, with or without SIG."""
    name = text.upper() if text.isascii() else text
    if name.startswith("SIG"):
        name = name[3:]
    number = signal_numbers().get(name)
    if number is None:
        number = _real_time_signal(name)
    if number is None:
        raise Failure(("unknown signal: %s", text))
    return number


def _real_time_signal(name: str) -> "int | None":
    """Return the number of RTMIN+n, RTMAX-n or RTn; what follows the digits does not count."""
    for prefix in ("RTMIN+", "RTMAX-", "RT"):
        if name.startswith(prefix) and name[len(prefix) :].startswith(tuple(DIGITS)):
            distance = _leading_number(name[len(prefix) :])
            is_from_end = prefix == "RTMAX-"
            number = SIGRTMAX - distance if is_from_end else SIGRTMIN + distance
            return number if SIGRTMIN <= number <= SIGRTMAX else None
    return None


def _leading_number(text: str) -> int:
    digits = text[: len(text) - len(text.lstrip(DIGITS))]
    return int(digits[:10])  # which is more digits than a signal can have
