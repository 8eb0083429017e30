"""What was asked: the options with their values checked, and nothing done yet.

A value is checked when it is met, as options act from left to right. The only things read from
the machine are those that a value stands for: user names, subordinate ids, the caller's map.
"""

import _signal
import posix

from ..errors import Failure
from ..syscalls import CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, MS_PRIVATE
from .table import NAMESPACES, ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .idmaps import Range

PROC = "/proc"
BINFMT_MISC = "/proc/sys/fs/binfmt_misc"

_FLAGS = {name: flags for name, _, _, flags, _, _ in ROWS}
_HEADINGS = {name: heading for name, _, _, _, heading, _ in ROWS}


class IdMap:
    """What was asked of one of the two id maps of a user namespace, see user_namespaces(7).

    ``kind`` is "uid" or "gid", ``caller`` is the effective id at the start, ``single`` the id
    that is to be the caller's inside, ``ranges`` are those asked for, in order, and ``owner``
    is the id that is to own the namespace.
    """

    def __init__(self, kind: str, caller: int) -> None:
        self.kind = kind
        self.caller = caller
        self.single: int | None = None
        self.ranges: list[Range] = []
        self.owner: int | None = None

    @property
    def needs_mapper(self) -> bool:
        """Whether there is more to map than a process in the namespace may map by itself."""
        if self.single is None:
            return any(block.count for block in self.ranges)
        return bool(self.ranges) or self.owner is not None

    @property
    def is_single(self) -> bool:
        """Whether the single mapping is the whole map."""
        return self.single is not None and not self.needs_mapper


class Request:
    """A launch as it was asked for; None, False or empty is "not asked for"."""

    def __init__(self) -> None:
        self.flags = 0  # CLONE_NEW* bits
        self.files: dict[int, str] = {}  # where to bind a new namespace, by its bit
        self.fork = False
        self.kill_child: int | None = None
        self.forward_signals = False
        self.proc: str | None = None
        self.binfmt_misc: str | None = None
        self.binary_format: str | None = None
        self.users = IdMap("uid", posix.geteuid())
        self.groups = IdMap("gid", posix.getegid())
        self.propagation = MS_PRIVATE  # 0: left as it is
        self.setgroups: str | None = None
        self.keep_capabilities = False
        self.uid: int | None = None
        self.gid: int | None = None
        self.root: str | None = None
        self.working_directory: str | None = None
        self.clock_offsets: dict[int, int] = {}  # seconds, by clock number
        self.clear_environment = False
        self.kept_variables: list[str] = []

    def add(self, name: str, value: "str | None") -> None:
        """Take in one option of the command line. Raises Failure for a value that is none."""
        flags = _FLAGS[name]
        self.flags |= flags
        if _HEADINGS[name] == NAMESPACES:
            if value is not None:
                self.files[flags] = value
        elif name == "fork":
            self.fork = True
        elif name == "kill-child":
            self.fork = True
            self.kill_child = _signal.SIGKILL
            if value is not None:
                from .signals import signal_number

                self.kill_child = signal_number(value)
        elif name == "mount-proc":
            self.proc = PROC if value is None else value
        elif name == "map-root-user":
            self.users.single = self.groups.single = 0
        elif name == "map-current-user":
            self.users.single = self.users.caller
            self.groups.single = self.groups.caller
        else:
            from .actions import ACTIONS  # what most launches do without

            ACTIONS[name](self, name, value)

    @property
    def needs_helper(self) -> bool:
        """Whether files are to be bound or ranges of ids mapped, by a process for it or by this."""
        return bool(self.files) or self.users.needs_mapper or self.groups.needs_mapper

    @property
    def changes_credentials(self) -> bool:
        """Whether user or group are to be changed, before unshare(2) or after."""
        ids = self.users.owner, self.groups.owner, self.uid, self.gid
        return ids != (None, None, None, None)

    @property
    def changes_directories(self) -> bool:
        """Whether there is another root directory or working directory to go to."""
        return self.root is not None or self.working_directory is not None

    @property
    def keeps_capabilities(self) -> bool:
        """Whether there will be capabilities to keep, those that a user namespace gives."""
        return self.keep_capabilities and bool(self.flags & CLONE_NEWUSER)

    @property
    def needs_c_library(self) -> bool:
        """Whether there is something to call that CPython has no function for."""
        makes_mounts = self.flags & CLONE_NEWNS or self.files
        return bool(makes_mounts) or self.keeps_capabilities or self.kill_child is not None

    @property
    def needs_hints_early(self) -> bool:
        """Whether hints cannot wait for a failure: the root or the user will be another by then.

        Or the failure is the program's: a shell outside of its PID namespace.
        """
        lacks_fork = self.flags & CLONE_NEWPID and not self.fork
        return self.root is not None or self.changes_credentials or bool(lacks_fork)

    def check(self) -> None:
        """Raise Failure if the options, each of them good, do not go together."""
        if self.clock_offsets and not self.flags & CLONE_NEWTIME:
            raise Failure(
                "options --monotonic and --boottime require unsharing of a time namespace (-T)"
            )

    def check_setgroups(self) -> None:
        """Raise Failure if setgroups(2) is to be allowed, but one group mapped, which denies it.

        The command looks for that only when it comes to the map, as the reference does.
        """
        if self.groups.is_single and self.setgroups == "allow":
            raise Failure("options --setgroups=allow and --map-group are mutually exclusive")
