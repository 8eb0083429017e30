"""The launch: from a request to the program, one step after the other.

The order can be observed, and most of it is forced. What needs the power of the old namespaces
comes before unshare(2), or is left to a helper that stays behind in them. What needs the power
over the new ones comes before the worker, the process that becomes the program, gives it up.
"""

import _signal
import posix
from errno import EINVAL, ENOENT

from .errors import LaunchError, attempt
from .files import write_file
from .processes import Gate, Helper, Worker
from .program import Environment, start_login_shell, start_program
from .request import BINFMT_MISC
from .syscalls import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    HAS_UNSHARE,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_REC,
    Capabilities,
    load_c_library,
    mount,
    raise_ambient_capability,
    set_parent_death_signal,
    unshare,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .request import IdMap, Request

SETGROUPS = "/proc/self/setgroups"
CLOCK_OFFSETS = "/proc/self/timens_offsets"


def launch(request: "Request", words: "list[str]", command: str) -> int:
    """Become the program, or the login shell where ``words`` is empty, as it was asked for.

    Returns in the parent of a forked program only, with the exit status to pass on. Raises
    LaunchError or SilentFailure in the process that meets the failure. ``command`` is the name
    under which helpers report theirs.
    """
    environment = Environment(request.kept_variables if request.clear_environment else None)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # ignored, it would swallow exit statuses
    status = enter(request, command)
    if status is not None:
        return status
    if words:
        return start_program(words, environment)
    return start_login_shell(environment)


def enter(
    request: "Request", command: str, forked: "Callable[[int], None] | None" = None
) -> "int | None":
    """Do all of a launch but its last step, so that what is left is to become the program.

    Returns None in the process that is to become it, and its exit status in the parent of a
    forked one. There ``forked`` is called with the worker's id while the worker waits. Raises
    as launch() does.
    """
    _load_what_is_needed(request)
    binder = mapper = None
    try:
        binder = _start_binder(request, command)
        mapper = _start_mapper(request, command)
        _become_owner(request)
        waits_for_parent = bool(request.files or forked)
        has_gate = request.fork and (waits_for_parent or request.kill_child is not None)
        gate = Gate() if has_gate else None
        attempt("unshare failed", unshare, request.flags)
        if mapper:
            mapper.do_job()
        _set_clock_offsets(request.clock_offsets)
        worker = Worker(gate, request.forward_signals) if request.fork else None
    except BaseException:
        for helper in (mapper, binder):
            if helper:
                helper.dismiss()
        raise

    if worker and not worker.is_this_process:
        return _be_parent(worker, request, binder, forked)

    if worker:
        worker.begin(waits_for_parent)
        _arm_death_signal(worker, request.kill_child)
    else:
        _bind_namespaces(request.files, binder)
    _map_caller(request.users)
    _map_caller_group(request.groups, request.setgroups)
    _control_setgroups(request)
    _change_propagation(request)
    _register_early(request)
    _change_root(request)
    _mount_new_proc(request)
    _mount_binfmt_misc(request)
    _change_group(request.gid)
    _change_user(request.uid)
    if request.keep_capabilities and request.flags & CLONE_NEWUSER:
        _keep_capabilities()
    if worker:  # a change of credentials may have made the kernel forget it
        _arm_death_signal(worker, request.kill_child)
    return None


# Before the namespaces change


def _load_what_is_needed(request: "Request") -> None:
    """Load now what a later step would load from the new root."""
    if request.files:
        from . import helpers  # noqa: F401
    makes_mounts = request.flags & CLONE_NEWNS or request.files
    controls_itself = request.kill_child is not None or request.keep_capabilities
    if makes_mounts or controls_itself or not HAS_UNSHARE:
        try:
            load_c_library()
        except ImportError as error:
            raise LaunchError(f"this Python cannot call the C library: {error}") from None


def _start_binder(request: "Request", command: str) -> "Helper | None":
    """Start a helper for the persistent files if binding them will be out of our power."""
    if not request.files or not request.flags & (CLONE_NEWNS | CLONE_NEWUSER):
        return None
    from .helpers import bind_namespaces

    process = posix.getpid()
    return Helper("binder", command, lambda: bind_namespaces(request.files, process))


def _start_mapper(request: "Request", command: str) -> "Helper | None":
    """Start a helper for the id maps that have more in them than the worker may write."""
    maps = {
        id_map.kind: id_map.joined_ranges()
        for id_map in (request.users, request.groups)
        if id_map.needs_mapper
    }
    if not maps:
        return None
    from .helpers import write_id_maps

    process = posix.getpid()
    return Helper("mapper", command, lambda: write_id_maps(maps, process, command))


def _become_owner(request: "Request") -> None:
    """Be the user and group whose namespace the new user namespace will be."""
    _change_group(request.groups.owner)
    _change_user(request.users.owner)


# In the new namespaces, before the worker is on its own


def _set_clock_offsets(offsets: "dict[int, int]") -> None:
    """Set the clocks of the new time namespace: time_namespaces(7)."""
    for clock in (CLOCK_BOOTTIME, CLOCK_MONOTONIC):
        if clock in offsets:
            text = f"{clock} {offsets[clock]} 0"
            complaints = f"failed to open {CLOCK_OFFSETS}", f"failed to write to {CLOCK_OFFSETS}"
            write_file(CLOCK_OFFSETS, text, *complaints)


def _bind_namespaces(files: "dict[int, str]", binder: "Helper | None") -> None:
    """Make namespaces persistent. Those for children exist from the first fork on."""
    if binder:
        binder.do_job()
    elif files:
        from .helpers import bind_namespaces

        bind_namespaces(files, posix.getpid())


def _be_parent(
    worker: Worker,
    request: "Request",
    binder: "Helper | None",
    forked: "Callable[[int], None] | None",
) -> int:
    """Bind the persistent files, let the worker go on, and return the status it ends with."""
    try:
        _bind_namespaces(request.files, binder)
        if forked:
            forked(worker.process)
    except BaseException:
        worker.dismiss()
        raise
    if request.files or forked:
        worker.let_begin()
    return worker.attend()


# The worker's own steps


def _arm_death_signal(worker: Worker, signal: "int | None") -> None:
    """Have the kernel send a signal to the worker when its parent dies."""
    if signal is not None:
        attempt("prctl failed", set_parent_death_signal, signal)
        worker.check_parent()  # dead already, it would be too late for the signal


def _map_caller(users: "IdMap") -> None:
    """Map the one user that the worker may map by itself: user_namespaces(7)."""
    if users.is_single:
        _write_own("/proc/self/uid_map", f"{users.single} {users.caller} 1")


def _map_caller_group(groups: "IdMap", setgroups: "str | None") -> None:
    """Map one group. The kernel wants setgroups(2) denied for that, since Linux 3.19."""
    if groups.is_single:
        if setgroups == "allow":
            raise LaunchError("options --setgroups=allow and --map-group are mutually exclusive")
        _write_setgroups("deny")
        _write_own("/proc/self/gid_map", f"{groups.single} {groups.caller} 1")


def _control_setgroups(request: "Request") -> None:
    """Allow or deny setgroups(2) for good, unless the group map has just denied it."""
    if request.setgroups and not (request.groups.is_single and request.setgroups == "deny"):
        _write_setgroups(request.setgroups)


def _write_own(path: str, text: str) -> None:
    write_file(path, text, f"cannot open {path}", f"write failed {path}")


def _write_setgroups(word: str) -> None:
    try:
        _write_own(SETGROUPS, word)
    except LaunchError as error:
        if error.errno != ENOENT:  # Linux before 3.19 knows no such limit
            raise


def _change_propagation(request: "Request") -> None:
    """Keep the new mount namespace's mounts from others, or whatever else was asked for."""
    if request.flags & CLONE_NEWNS and request.propagation:
        _set_propagation("/", request.propagation, "cannot change root filesystem propagation")


def _set_propagation(target: str, propagation: int, complaint: str) -> None:
    attempt(complaint, mount, "none", target, None, MS_REC | propagation)


def _change_root(request: "Request") -> None:
    """Change the root directory, and the working directory, which is looked up inside it."""
    if request.root is not None:
        complaint = f"cannot change root directory to '{request.root}'"
        attempt(complaint, posix.chroot, request.root)
        _change_directory("/")
    if request.working_directory is not None:
        _change_directory(request.working_directory)


def _change_directory(path: str) -> None:
    attempt(f"cannot change directory to {path}", posix.chdir, path)


def _mount_new_proc(request: "Request") -> None:
    """Mount a proc that shows the new PID namespace."""
    if request.proc is None:
        return
    if request.root is None and request.propagation != MS_PRIVATE:
        # Otherwise this mount would show up in the old namespace as well.
        complaint = f"cannot change {request.proc} filesystem propagation"
        try:
            _set_propagation(request.proc, MS_PRIVATE, complaint)
        except LaunchError as error:
            if error.errno != EINVAL:  # not a mount point: nothing there to make private
                raise
    _mount_kernel_files("proc", request.proc)


def _mount_kernel_files(kind: str, target: str) -> None:
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    attempt(f"mount {target} failed", mount, kind, target, kind, flags)


def _is_registered_early(request: "Request") -> bool:
    """Tell whether the F flag wants the interpreter opened in the old root: binfmt_misc."""
    _, colon, flags = (request.binary_format or "").rpartition(":")
    return request.root is not None and bool(colon) and "F" in flags


def _register_early(request: "Request") -> None:
    if _is_registered_early(request):
        _mount_kernel_files("binfmt_misc", BINFMT_MISC)
        _register_binary_format(BINFMT_MISC, request)


def _mount_binfmt_misc(request: "Request") -> None:
    """Mount the binary formats of the new user namespace, and add the one asked for."""
    if request.binfmt_misc is not None:
        _mount_kernel_files("binfmt_misc", request.binfmt_misc)
        if not _is_registered_early(request):
            _register_binary_format(request.binfmt_misc, request)


def _register_binary_format(directory: str, request: "Request") -> None:
    if request.binary_format is None:
        return
    flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
    mounted = attempt(f"cannot open {directory}", posix.open, directory, flags)
    complaints = f"cannot open {directory}/register", f"write failed {directory}/register"
    write_file("register", request.binary_format, *complaints, directory=mounted)
    posix.close(mounted)


def _change_group(group: "int | None") -> None:
    if group is not None:
        attempt("setgroups failed", posix.setgroups, [])
        attempt("setgid() failed", posix.setgid, group)


def _change_user(user: "int | None") -> None:
    if user is not None:
        attempt("setuid() failed", posix.setuid, user)


def _keep_capabilities() -> None:
    """Carry the capabilities over execve(2), which would drop them from any user but root."""
    capabilities = attempt("capget failed", Capabilities)
    attempt("capset failed", capabilities.make_permitted_inheritable)
    for capability in range(64):
        if capabilities.effective >> capability & 1:
            attempt("prctl(PR_CAP_AMBIENT) failed", raise_ambient_capability, capability)
