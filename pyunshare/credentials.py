"""The steps of a launch that change who the process is, and what it may: credentials(7)."""

import posix

from .errors import attempt, keep_to_english
from .syscalls import CLONE_NEWUSER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .request import Request


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


def keep_capabilities(request: "Request") -> None:
    """Carry the capabilities over execve(2), which would drop them from any user but root."""
    if request.keep_capabilities and request.flags & CLONE_NEWUSER:
        from .capabilities import Capabilities, raise_ambient_capability  # loaded by launch()

        capabilities = attempt("capget failed", Capabilities)
        attempt("capset failed", capabilities.make_permitted_inheritable)
        for capability in range(64):
            if capabilities.effective >> capability & 1:
                attempt("prctl(PR_CAP_AMBIENT) failed", raise_ambient_capability, capability)
