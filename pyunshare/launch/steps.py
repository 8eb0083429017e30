"""The launch: from a request to the program, one step after the other.

The order can be observed, and most of it is forced. What needs the power of the old namespaces
comes before unshare(2), or is left to a helper that stays behind in them. What needs the power
over the new ones comes before the process that becomes the program gives it up.
"""

import posix

from ..errors import Failure, checked
from ..files import write_file
from ..syscalls import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLONE_NEWNS,
    EINVAL,
    ENOENT,
    HAS_UNSHARE,
    MS_PRIVATE,
    NO_ID,
    load_c_library,
    unshare,
)
from .mounts import mount_kernel_files, set_propagation
from .processes import Child, SyncLock, reset_sigchld
from .program import start_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..messages import AnyReporter, Reporter
    from ..options.request import Request

SETGROUPS = "/proc/self/setgroups"
CLOCK_OFFSETS = "/proc/self/timens_offsets"


def launch(request: "Request", argv: "list[str]", reporter: "Reporter") -> int:
    """Become the program, or the login shell where ``argv`` is empty, as it was asked for.

    Returns in the parent of a forked program only, with the exit status to pass on. Raises
    Failure in the process that meets it.
    """
    if not argv:
        from .login_shell import start_login_shell
    if request.needs_hints_early:
        reporter.prepare_hints()
    env = None  # this process's own
    if request.clear_env:
        from .environ import filter_env

        env = filter_env(posix.environ, request.kept_variables)
    reset_sigchld()

    child = enter(request, reporter)
    if child:
        child.release()
        return child.wait()

    reporter.print_prepared_hint()
    if argv:
        start_program(argv, env)
    else:
        start_login_shell(env)
    raise AssertionError("execve(2) returned")


def enter(
    request: "Request",
    reporter: "AnyReporter",
    hold: bool = False,
    fork: "Callable[[], int]" = posix.fork,
    unshare: "Callable[[int], None]" = unshare,
) -> "Child | None":
    """Do all of a launch but its last step, so that what is left is to become the program.

    Returns None in the process that is to become it, and in the parent of a forked one the child,
    which is to be released: with ``hold`` it waits for that in any case. Raises as launch() does.
    """
    # All that is needed is loaded here: later it would come from the new root.
    if request.needs_c_library or not HAS_UNSHARE:
        require_c_library()
    if request.needs_helper:
        from . import helpers
    if request.binfmt_misc is not None:
        from . import binfmt
    if request.keeps_capabilities:
        from ..capabilities import keep_capabilities

    hold = hold or bool(request.files)
    child_waits = request.fork and (hold or request.kill_child is not None)
    binder = mapper = child = lock = None
    try:
        if request.needs_helper or child_waits:
            lock = SyncLock()
        if lock and request.needs_helper:
            binder = helpers.start_binder(request, lock, reporter)
            mapper = helpers.start_mapper(request, lock, reporter)
        _change_credentials(request.users.owner, request.groups.owner, reporter)
        checked("unshare", "unshare failed", unshare, request.flags)
        if mapper:
            mapper.do_job()
        if lock and not (binder or child_waits):  # what follows may need its file descriptor
            lock.close()
            lock = None
        _set_clock_offsets(request.clock_offsets)
        if request.fork:
            child = Child(lock, request.forward_signals, request.kill_child, fork)
        if request.files and not (child and child.pid == 0):
            helpers.bind(request, binder)
    except BaseException:
        if lock:
            lock.close()  # which ends those who wait
        for process in (mapper, binder, child):
            if process:
                process.wait_for_end()
        raise

    if child:
        if child.pid:
            return child
        child.start(hold)
        child.arm_death_signal()
        if request.kill_child is None or not request.changes_credentials:
            child.close_lock()
    elif lock:
        lock.close()
    _map_caller(request)
    _change_propagation(request)
    if request.binfmt_misc is not None:
        binfmt.register_early(request)
    _change_root(request.root, reporter)
    _change_working_directory(request.wd)
    _mount_proc(request)
    if request.binfmt_misc is not None:
        binfmt.mount_binfmt_misc(request)
    _change_credentials(request.uid, request.gid, reporter)
    if request.keeps_capabilities:
        keep_capabilities()
    if child and request.changes_credentials:  # which may have made the kernel forget it
        child.arm_death_signal()
    return None


def require_c_library() -> None:
    """Load what calls functions of the C library. Raises Failure where this Python cannot."""
    try:
        load_c_library()
    except (ImportError, OSError) as error:
        message = f"this Python cannot call the C library: {error}"
        raise Failure(message, step="dlopen") from None


def _change_credentials(uid: "int | None", gid: "int | None", reporter: "AnyReporter") -> None:
    """Have this group only, and be this user, where they are given: setgid(2), setuid(2)."""
    if gid is not None:
        checked("setgroups", "setgroups failed", posix.setgroups, [])
        checked("setgid", "setgid() failed", posix.setgid, _signed(gid))
        reporter.stop_loading()
    if uid is not None:
        checked("setuid", "setuid() failed", posix.setuid, _signed(uid))
        reporter.stop_loading()


def _signed(number: int) -> int:
    """Return an id as CPython takes it on every machine, for (uid_t) -1 is too large on some."""
    return -1 if number == NO_ID else number


def _set_clock_offsets(offsets: "dict[int, int]") -> None:
    """Set the clocks of the new time namespace, by seconds: time_namespaces(7)."""
    for clock in (CLOCK_BOOTTIME, CLOCK_MONOTONIC):
        if clock in offsets:
            text = f"{clock} {offsets[clock]} 0"
            wordings = f"failed to open {CLOCK_OFFSETS}", f"failed to write to {CLOCK_OFFSETS}"
            write_file(CLOCK_OFFSETS, text, *wordings)


def _map_caller(request: "Request") -> None:
    """Map the one user and the one group that a process may map by itself: user_namespaces(7).

    For the group, the kernel wants setgroups(2) denied, since Linux 3.19. Otherwise that is allowed
    or denied for good as it was asked for.
    """
    users, groups, setgroups = request.users, request.groups, request.setgroups
    if users.is_single:
        _write_own("/proc/self/uid_map", f"{users.single} {users.caller} 1")
    if groups.is_single:
        request.check_setgroups()
        setgroups = "deny"
    if setgroups:
        _write_setgroups(setgroups)
    if groups.is_single:
        _write_own("/proc/self/gid_map", f"{groups.single} {groups.caller} 1")


def _write_own(path: str, text: str) -> None:
    write_file(path, text, ("cannot open %s", path), ("write failed %s", path))


def _write_setgroups(word: str) -> None:
    try:
        _write_own(SETGROUPS, word)
    except Failure as error:
        if error.errno != ENOENT:  # Linux before 3.19 knows no such limit
            raise


def _change_propagation(request: "Request") -> None:
    """Keep the new mount namespace's mounts from others, or whatever else was asked for."""
    if request.flags & CLONE_NEWNS and request.propagation:
        set_propagation("/", request.propagation, "cannot change root filesystem propagation")


def _change_root(path: "str | None", reporter: "AnyReporter") -> None:
    """Change the root directory, if one is given: chroot(2)."""
    if path is not None:
        wording = "cannot change root directory to '%s'", path
        checked("chroot", wording, posix.chroot, path, path=path)
        reporter.stop_loading()
        _change_working_directory("/")


def _change_working_directory(path: "str | None") -> None:
    """Change the working directory, if one is given: chdir(2)."""
    if path is not None:
        checked("chdir", ("cannot change directory to %s", path), posix.chdir, path, path=path)


def _mount_proc(request: "Request") -> None:
    """Mount a proc that shows the new PID namespace."""
    if request.proc is None:
        return
    if request.root is None and request.propagation != MS_PRIVATE:
        # Otherwise this mount would show up in the old namespace as well.
        wording = "cannot change %s filesystem propagation", request.proc
        try:
            set_propagation(request.proc, MS_PRIVATE, wording)
        except Failure as error:
            if error.errno != EINVAL:  # not a mount point: nothing there to make private
                raise
    mount_kernel_files("proc", request.proc)
