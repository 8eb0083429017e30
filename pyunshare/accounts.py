"""What the machine knows of users and groups: names, subordinate ids, mapped ids.

All of it reads files, or asks what nsswitch.conf(5) names, so it is for the time before the
namespaces change.
"""

import posix
from errno import EINVAL, ERANGE

from .errors import UsageError
from .syscalls import read_file
from .values import UNSIGNED_32_BIT, integer

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
        raise UsageError(f"you (user {user_id}) don't exist.") from None
    path = f"/etc/sub{kind}"
    for line in _read(path).split("\n"):
        fields = line.split(":", 2)
        if len(fields) == 3 and (fields[0] == user or _is_number(fields[0], user_id)):
            return _subordinate_number(fields[1]), _subordinate_number(fields[2])
    raise UsageError(f'no line matching user "{user}" in {path}')


def _is_number(text: str, number: int) -> bool:
    """Tell whether text says a number, in plain digits."""
    return text.isdigit() and text.lstrip("0") == str(number).lstrip("0")


def _subordinate_number(text: str) -> int:
    complaint = f"failed to parse subid map: '{text}'"
    try:
        return integer(text, UNSIGNED_32_BIT)
    except ValueError:
        raise UsageError(complaint) from None
    except OverflowError:
        raise UsageError(complaint, ERANGE) from None


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
        raise UsageError(f"could not open '{path}'", error.errno) from None
