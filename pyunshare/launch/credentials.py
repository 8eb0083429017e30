"""The steps of a launch that change who the process is: credentials(7)."""

import posix

from ..errors import attempt, keep_to_english

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.request import Request


def become_owner(request: "Request") -> None:
    """Be the user and group whose namespace the new user namespace will be."""
    change_group(request.groups.owner)
    change_user(request.users.owner)


def change_group(group: "int | None") -> None:
    """Have this group only, if one is given: setgid(2)."""
    if group is not None:
        attempt("setgroups failed", posix.setgroups, [])
        attempt("setgid() failed", posix.setgid, group)
        keep_to_english()


def change_user(user: "int | None") -> None:
    """Be this user, if one is given: setuid(2)."""
    if user is not None:
        attempt("setuid() failed", posix.setuid, user)
        keep_to_english()
