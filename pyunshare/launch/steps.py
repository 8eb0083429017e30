"""The launch: from a request to the program, one step after the other.

The order can be observed, and most of it is forced. What needs the power of the old namespaces
comes before unshare(2), or is left to a helper that stays behind in them. What needs the power
over the new ones comes before the worker, the process that becomes the program, gives it up.

A kind of step that few launches have is a module of its own, loaded only if it will be needed.
"""

import _signal
import posix

from ..errors import Failure, attempt, give_hint, load_hints
from ..files import write_file
from ..syscalls import (
    CLONE_NEWNS,
    EINVAL,
    ENOENT,
    HAS_UNSHARE,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    load_c_library,
    mount,
    unshare,
)
from .processes import Gate, Worker
from .program import chosen_variables, start_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..errors import Wording
    from ..options.request import IdMap, Request
    from .helpers import Helper

SETGROUPS = "/proc/self/setgroups"


def launch(request: "Request", words: "list[str]", command: str) -> int:
    """Become the program, or the login shell where ``words`` is empty, as it was asked for.

    Returns in the parent of a forked program only, with the exit status to pass on. Raises
    Failure in the process that meets it. ``command`` is the name under which helpers report theirs.
    """
    if not words:
        from .login_shell import start_login_shell
    if request.needs_hints_early:
        _prepare_hints()
    variables = None  # this process's own
    if request.clear_environment:
        variables = chosen_variables(posix.environ, request.kept_variables)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # ignored, it would swallow exit statuses

    status = enter(request, command)
    if status is not None:
        return status

    if request.needs_hints_early:
        give_hint(None)
    if words:
        return start_program(words, variables)
    return start_login_shell(variables)


def enter(
    request: "Request", command: str, forked: "Callable[[int], None] | None" = None
) -> "int | None":
    """Do all of a launch but its last step, so that what is left is to become the program.

    Returns None in the process that is to become it, and in the parent of a forked one the exit
    status to pass on. There ``forked`` is called with the worker's id while the worker waits.
    Raises as launch() does.
    """
    # All that is needed is loaded here: later it would come from the new root.
    if request.needs_c_library or not HAS_UNSHARE:
        _load_c_library()
    if request.needs_helper:
        from . import helpers
    if request.clock_offsets:
        from . import clocks
    if request.changes_directories:
        from . import directories
    if request.binfmt_misc is not None:
        from . import binfmt
    if request.changes_credentials:
        from . import credentials
    if request.keeps_capabilities:
        from ..capabilities import keep_capabilities

    waits_for_parent = bool(request.files or forked)
    binder = mapper = gate = worker = None
    try:
        if request.needs_helper:
            binder = helpers.start_binder(request, command)
            mapper = helpers.start_mapper(request, command)
        if request.changes_credentials:
            credentials.become_owner(request)
        if request.fork and (waits_for_parent or request.kill_child is not None):
            gate = Gate()
        attempt("unshare failed", unshare, request.flags)
        if mapper:
            mapper.do_job()
        if request.clock_offsets:
            clocks.set_clock_offsets(request.clock_offsets)
        if request.fork:
            worker = Worker(gate, request.forward_signals)
    except BaseException:
        for helper in (mapper, binder):
            if helper:
                helper.dismiss()
        raise

    if worker and not worker.is_this_process:
        return _be_parent(worker, request, binder, forked)

    if worker:
        worker.begin(waits_for_parent)
        worker.arm_death_signal(request.kill_child)
    elif request.files:
        helpers.bind(request, binder)
    _map_caller(request.users)
    _map_caller_group(request)
    _control_setgroups(request)
    _change_propagation(request)
    if request.binfmt_misc is not None:
        binfmt.register_early(request)
    if request.changes_directories:
        directories.change_root(request.root)
        directories.change_working_directory(request.working_directory)
    _mount_new_proc(request)
    if request.binfmt_misc is not None:
        binfmt.mount_binfmt_misc(request)
    if request.changes_credentials:
        credentials.change_group(request.gid)
        credentials.change_user(request.uid)
    if request.keeps_capabilities:
        keep_capabilities()
    if worker and request.changes_credentials:  # which may have made the kernel forget it
        worker.arm_death_signal(request.kill_child)
    return None


def _load_c_library() -> None:
    try:
        load_c_library()
    except (ImportError, OSError) as error:
        raise Failure(f"this Python cannot call the C library: {error}") from None


def _prepare_hints() -> None:
    """Load, if somebody is looking, what later failures could not be explained without."""
    try:
        hints = load_hints()
        if hints:
            hints.prepare()
    except Exception:
        pass  # then there will be none


def _be_parent(
    worker: Worker,
    request: "Request",
    binder: "Helper | None",
    forked: "Callable[[int], None] | None",
) -> int:
    """Bind the persistent files, let the worker go on, and return the status it ends with."""
    try:
        if request.files:
            from . import helpers  # loaded by now

            helpers.bind(request, binder)
        if forked:
            forked(worker.process)
    except BaseException:
        worker.dismiss()
        raise
    if request.files or forked:
        worker.let_begin()
    return worker.attend()


def _map_caller(users: "IdMap") -> None:
    """Map the one user that the worker may map by itself: user_namespaces(7)."""
    if users.is_single:
        _write_own("/proc/self/uid_map", f"{users.single} {users.caller} 1")


def _map_caller_group(request: "Request") -> None:
    """Map one group. The kernel wants setgroups(2) denied for that, since Linux 3.19."""
    groups = request.groups
    if groups.is_single:
        request.check_setgroups()
        _write_setgroups("deny")
        _write_own("/proc/self/gid_map", f"{groups.single} {groups.caller} 1")


def _control_setgroups(request: "Request") -> None:
    """Allow or deny setgroups(2) for good, unless the group map has just denied it."""
    if request.setgroups and not (request.groups.is_single and request.setgroups == "deny"):
        _write_setgroups(request.setgroups)


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
        _set_propagation("/", request.propagation, "cannot change root filesystem propagation")


def _set_propagation(target: str, propagation: int, wording: "Wording") -> None:
    attempt(wording, mount, "none", target, None, MS_REC | propagation)


def _mount_new_proc(request: "Request") -> None:
    """Mount a proc that shows the new PID namespace."""
    if request.proc is None:
        return
    if request.root is None and request.propagation != MS_PRIVATE:
        # Otherwise this mount would show up in the old namespace as well.
        wording = "cannot change %s filesystem propagation", request.proc
        try:
            _set_propagation(request.proc, MS_PRIVATE, wording)
        except Failure as error:
            if error.errno != EINVAL:  # not a mount point: nothing there to make private
                raise
    mount_kernel_files("proc", request.proc)


def mount_kernel_files(kind: str, target: str) -> None:
    """Mount a file system of the kernel's own. Raises Failure."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    attempt(("mount %s failed", target), mount, kind, target, kind, flags)
