"""What the machine knows of users and groups: names, subordinate ids, mapped ids.

All of it reads files, or asks what nsswitch.conf(5) names, so it is for the time before the
namespaces change.
"""

import posix
from errno import EINVAL, ERANGE

from ..errors import Failure, checked
from ..lines import read_lines
from ..syscalls import NO_ID, fsdecode
from .values import DIGITS, UNSIGNED_32_BIT, integer, unsigned

_DATABASES = {"uid": "/etc/passwd", "gid": "/etc/group"}


def user_or_group_id(kind: str, text: str) -> int:
    """Return the "uid" or "gid" that ``text`` says as a number or else as a name."""
    complaint = f"failed to parse {kind} '%s'", text
    try:
        number = integer(text, UNSIGNED_32_BIT)
    except OverflowError:
        raise Failure(complaint, ERANGE) from None
    except ValueError:
        try:
            number = id_of_name(kind, text) & NO_ID  # CPython has -1 for the highest
        except OSError as error:
            raise Failure(complaint, error.errno) from None
    if number == NO_ID:
        raise Failure(complaint, EINVAL)
    return number


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

    uid = posix.geteuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        raise Failure(("you (user %d) don't exist.", uid), step="subids") from None
    path = f"/etc/sub{kind}"
    for line in checked("open", ("could not open '%s'", path), read_lines, path, path=path):
        fields = fsdecode(line).split(":", 2)
        if len(fields) == 3 and (fields[0] == user or _is_number(fields[0], uid)):
            try:
                start, count = (unsigned(text, "failed to parse subid map") for text in fields[1:])
            except Failure as wrong:  # but the machine's fault, not the user's
                raise Failure(wrong.wording, wrong.errno, step="subids", path=path) from None
            return start, count
    raise Failure(('no line matching user "%s" in %s', user, path), step="subids", path=path)


def _is_number(text: str, number: int) -> bool:
    """Return whether the text is that number, in plain digits."""
    return not text.strip(DIGITS) and text.lstrip("0") == str(number).lstrip("0") and text != ""


def mapped_ids(kind: str) -> "list[tuple[int, int]]":
    """Return the blocks (start, count) of "uid"s or "gid"s that this user namespace has.

    Where the file is masked, lines of other kinds are passed over.
    """
    path = f"/proc/self/{kind}_map"
    blocks = []
    for line in checked("open", ("could not open '%s'", path), read_lines, path, path=path):
        numbers = line.split()[:3]
        if len(numbers) == 3 and all(each.isdigit() and len(each) <= 10 for each in numbers):
            inner, _outer, count = map(int, numbers)
            blocks.append((inner, count))
    return blocks
