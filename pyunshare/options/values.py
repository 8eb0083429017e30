"""Values of options that are numbers, read from text."""

from errno import ERANGE

from ..errors import Failure
from ..syscalls import NO_ID

UNSIGNED_32_BIT = range(1 << 32)
UNSIGNED_64_BIT = range(1 << 64)
SIGNED_64_BIT = range(-(1 << 63), 1 << 63)

DIGITS = "0123456789"


def integer(text: str, limits: range) -> int:
    """Read a decimal number as strtol(3) does, with nothing allowed behind the digits.

    Raises OverflowError for a number that is not within ``limits``, ValueError for other text.
    As in C, a number too large for 64 bits, or below 0 where no sign is meant, is reported
    before what stands behind it.
    """
    digits_and_rest = text.lstrip(" \t\n\v\f\r")  # the white space of the C locale
    negative = digits_and_rest[:1] == "-"
    if digits_and_rest[:1] in ("-", "+"):
        digits_and_rest = digits_and_rest[1:]
    rest = digits_and_rest.lstrip(DIGITS)
    digits = digits_and_rest[: len(digits_and_rest) - len(rest)]
    if not digits:
        raise ValueError(text)
    # int() is slow for very long numbers, and refuses some: one digit more than any limit will do.
    number = int(digits.lstrip("0")[:21] or "0")
    if negative:
        number = -number
    is_signed = limits.start < 0
    if number not in (SIGNED_64_BIT if is_signed else UNSIGNED_64_BIT):
        raise OverflowError(text)
    if rest:
        raise ValueError(text)
    if number not in limits:
        raise OverflowError(text)
    return number


def _number(text: str, limits: range, complaint: str) -> int:
    try:
        return integer(text, limits)
    except ValueError:
        raise Failure(("%s: '%s'", (complaint,), text)) from None
    except OverflowError:
        raise Failure(("%s: '%s'", (complaint,), text), ERANGE) from None


def unsigned(text: str, complaint: str) -> int:
    """Return the 32-bit unsigned number that ``text`` says; ``complaint`` is for all else."""
    return _number(text, UNSIGNED_32_BIT, complaint)


def signed(text: str, complaint: str) -> int:
    """Return the 64-bit signed number that ``text`` says; ``complaint`` is for all else."""
    return _number(text, SIGNED_64_BIT, complaint)


def owner(text: str) -> "tuple[int | None, int | None]":
    """Read the ``uid:gid`` of --owner; None is an id that is to stay as it is."""
    try:
        uid, gid = (integer(part, UNSIGNED_32_BIT) for part in text.split(":"))
    except (ValueError, OverflowError):
        raise Failure("failed to parse owner") from None
    return (None if uid == NO_ID else uid), (None if gid == NO_ID else gid)
