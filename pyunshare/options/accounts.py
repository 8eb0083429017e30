"""What the machine knows of users and groups: names, subordinate ids, mapped ids.

All of it reads files, or asks what nsswitch.conf(5) names, so it is for the time before the
namespaces change.
"""

import posix
from errno import EINVAL

from ..errors import Failure
from ..files import read_file
from .values import unsigned

_DATABASES = {"uid": "/etc/passwd", "gid": "/etc/group"}


def id_of_name(kind: str, name: str) -> int:
    """Return the "uid" or "gid" that bears ``name``. Raises OSError, with the reason."""
    try:
        if kind == "uid":
            import pwd

            return pwd.getpwnam(name).pw_uid
        import grp

        return grp.getgrnam(name).gr_gid
    except KeyError:
        posix.stat(_DATABASES[kind])  # without one, that is the reason
        raise OSError(EINVAL, name) from None


def subordinate_ids(kind: str) -> "tuple[int, int]":
    """Return the first block (start, count) of subordinate "uid"s or "gid"s of the effective user.

    See subuid(5) and subgid(5), which both list their blocks by user.
    """
    import pwd

    user_id = posix.geteuid()
    try:
        user = pwd.getpwuid(user_id).pw_name
    except KeyError:
        raise Failure(("you (user %d) don't exist.", user_id)) from None
    path = f"/etc/sub{kind}"
    for line in _read(path).split("\n"):
        fields = line.split(":", 2)
        if len(fields) == 3 and (fields[0] == user or _is_number(fields[0], user_id)):
            complaint = "failed to parse subid map"
            return unsigned(fields[1], complaint), unsigned(fields[2], complaint)
    raise Failure(('no line matching user "%s" in %s', user, path))


def _is_number(text: str, number: int) -> bool:
    """Tell whether text says a number, in plain digits."""
    return text.isdigit() and text.lstrip("0") == str(number).lstrip("0")


def mapped_ids(kind: str) -> "list[tuple[int, int]]":
    """Return the blocks (start, count) of "uid"s or "gid"s that this user namespace has."""
    blocks = []
    for line in _read(f"/proc/self/{kind}_map").splitlines():
        inner, _outer, count = line.split()
        blocks.append((int(inner), int(count)))
    return blocks


def _read(path: str) -> str:
    try:
        return read_file(path)
    except OSError as error:
        raise Failure(("could not open '%s'", path), error.errno) from None
