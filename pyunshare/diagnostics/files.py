"""Why something cannot be mounted, or bound on a file: see mount_namespaces(7)."""

from __future__ import annotations

import posix
from errno import ENODEV, ENOTDIR

from ..files import FILE_TYPE
from ..options.request import BINFMT_MISC
from ..syscalls import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER
from .commands import Command, path_argument
from .hint import LIFTING, FailureContext, Hint, tool
from .maps import SINGLE_MAPS, has_root
from .namespaces import is_older
from .probes import CAP_SYS_ADMIN, is_there
from .programs import DIRECTORY
from .system import Mount, absolute

BINFMT_SINCE = "6.7"  # the Linux that has one for each user namespace


# ---- mounts ------------------------------------------------------------------------------------


def proc_without_pid_namespace(context: FailureContext) -> Hint | None:
    """A proc shows a PID namespace, and takes power over that one."""
    if context.path != context.request.proc or not context.asks(CLONE_NEWUSER):
        return None
    missing = [] if context.asks(CLONE_NEWPID) else ["--pid"]
    missing += [] if context.request.fork else ["--fork"]
    if not missing:
        return None
    what = "a PID namespace of its own" if "--pid" in missing else "a process in it"
    without: tuple[str, ...] = ()
    if context.request.binary_format is not None and not has_root(context.request):
        missing.append("-r")  # or that fails next
        without = SINGLE_MAPS
    return Hint(
        f"a new user namespace can only mount the proc of {what}: add {' '.join(missing)}",
        type=(context.offer(context.line(*missing, without=without)),),
    )


def proc_is_covered(context: FailureContext) -> Hint | None:
    """The proc here is partly hidden, and a user namespace may not see what is."""
    if context.path != context.request.proc or not context.asks(CLONE_NEWUSER):
        return None
    system = context.system
    covers = system.covered_proc()
    if covers is None:
        return Hint("a user namespace may mount a proc only where there is one: here is none")
    if not covers:
        if system.has_read_only_proc:
            return Hint(
                "the proc here is mounted read-only, and then a user namespace may mount no other"
            )
        return None
    are = "are covered by other mounts" if len(covers) > 1 else "is covered by another mount"
    cause = ", ".join(["{}"] * min(len(covers), 3)) + (" and more" if len(covers) > 3 else "")
    cause += f" {are} here, and then a user namespace may mount no proc"
    seen_by_all = {mount.target for mount in system.mounts("1")}
    engine = system.container_engine if seen_by_all.issuperset(covers) else ""
    if engine:
        cause += (
            f": only {LIFTING[engine]['proc']} uncovers it, which shows all that runs in the "
            "container what is hidden there of this machine"
        )
        return Hint(cause, *covers[:3])
    note = "umount shows it to all that runs here"
    return Hint(
        cause, *covers[:3], type=(context.as_root(Command(tool("umount"), *covers, note=note)),)
    )


def binfmt_misc_is_the_hosts(context: FailureContext) -> Hint | None:
    """Before Linux 6.7, only the initial user namespace has binary formats."""
    if context.path != context.request.binfmt_misc:
        return None
    release = context.system.kernel
    if context.failure.errno == ENODEV:
        if context.system.has_file_system("binfmt_misc"):
            return None
        load = context.as_root(Command(tool("modprobe"), "binfmt_misc"))
        return Hint("this kernel, {}, has no binfmt_misc loaded", release, type=(load,))
    if is_older(release, BINFMT_SINCE):
        return Hint(
            f"a user namespace has a binfmt_misc of its own since Linux {BINFMT_SINCE}, and this "
            "is {}",
            release,
        )
    return None


def mount_point_is_missing(context: FailureContext) -> Hint | None:
    """There is no directory to mount on."""
    target = context.path
    if target not in (context.request.proc, context.request.binfmt_misc) or is_there(target):
        return None
    if not target:
        return Hint("an empty path leads nowhere")
    if target == BINFMT_MISC and context.request.root is None:
        return Hint("this kernel, {}, has no binfmt_misc", context.system.kernel)
    path = target if context.request.root is None else absolute(target)
    outside = path_argument(context.seen_from_outside(path))
    making = context.changing(absolute(target), Command("mkdir", "-p", outside))
    if context.request.root is None:
        return Hint("there is no directory {}", target, type=(making,))
    return Hint("there is no {} inside {}", target, context.request.root, type=(making,))


def root_is_no_mount_point(context: FailureContext) -> Hint | None:
    """In a chroot, / is a directory like any other, of which no propagation can be changed."""
    if context.path != "/" or not context.system.is_chrooted:
        return None
    line = context.line("--propagation=unchanged", without=("propagation",))
    return Hint(
        "this is inside a chroot, whose / is no mount with a propagation to change",
        type=(context.offer(line),),
    )


# ---- directories -------------------------------------------------------------------------------


def directory_is_inside_root(context: FailureContext) -> Hint | None:
    """--wd is a path inside the new root, and was given as one outside."""
    root, directory = context.request.root, context.request.wd
    if root is None or not directory or context.path != directory:
        return None
    start = root.rstrip("/") + "/"
    inside = "/" + directory[len(start) :] if directory.startswith(start) else ""
    if not inside or is_there(directory) or not is_there(inside):
        return None
    line = context.line(without=("wd",), last=(f"--wd={inside}",))
    return Hint(
        "--wd is a directory inside the new root, where {} is {}",
        directory,
        inside,
        type=(context.offer(line),),
    )


# ---- persistent namespaces ---------------------------------------------------------------------


def file_is_missing(context: FailureContext) -> Hint | None:
    """What a namespace is to be bound on is not there."""
    request = context.request
    if context.path not in request.files.values():
        return None
    kinds = [flag for flag, path in request.files.items() if path == context.path]
    if kinds == [CLONE_NEWPID] and not request.fork:
        return Hint(
            "a PID namespace can only be bound once it has its first process: add --fork",
            type=(context.offer(context.line("--fork")),),
        )
    if is_there(context.path):
        return None
    if context.path == request.files.get(CLONE_NEWNET) == "none":
        line = context.line("--net", without=("net",))
        return Hint(
            "--net=FILE says where to keep the namespace; a new one has no network anyway",
            type=(context.offer(line),),
        )
    if not context.path:
        return Hint("an empty path leads nowhere")
    file = path_argument(context.path)
    directory, _, name = file.rpartition("/")
    making = Command()
    if name not in ("", ".", ".."):  # which are directories
        making = Command("touch", file)
        if directory and not is_there(directory):
            making = Command("mkdir", "-p", directory).then(making)
        making = context.changing(absolute(context.path), making)
    return Hint("there is no file {} to bind the namespace to", context.path, type=(making,))


def file_is_a_directory(context: FailureContext) -> Hint | None:
    """A namespace can be bound on a file only."""
    if context.path not in context.request.files.values():
        return None
    try:
        is_directory = posix.stat(context.path).st_mode & FILE_TYPE == DIRECTORY
    except (OSError, ValueError):
        return None
    if not is_directory or context.failure.errno != ENOTDIR:
        return None
    file = f"{context.path.rstrip('/')}/namespace"
    return Hint(
        "{} is a directory, and a namespace is bound to a file, such as {}",
        context.path,
        file,
        type=(context.changing(absolute(file), Command("touch", path_argument(file))),),
    )


def file_is_on_shared_mount(context: FailureContext) -> Hint | None:
    """A mount namespace cannot be bound where the binding would spread into itself."""
    path = context.request.files.get(CLONE_NEWNS)
    if path is None or context.path != path:
        return None
    mount = _mount_of(context, path)
    if mount is None or not mount.is_shared:
        return None
    directory, _, name = absolute(path).rpartition("/")
    private = f"{directory}/namespaces"
    file = f"{private}/{name}"
    again = Command()
    if context.request.users.caller == 0:
        line = context.line(f"--mount={file}", without=("mount",))
        again = context.typed(line)
        for making in (
            Command("touch", file),
            Command("mount", "--make-private", private),
            Command("mount", "--bind", private, private),
            Command("mkdir", "-p", private),
        ):
            again = context.as_root(making).then(again)
    return Hint(
        "{} is a shared mount, and a mount namespace can only be bound to a file on a private one",
        mount.target,
        type=(again,),
    )


def binding_needs_power(context: FailureContext) -> Hint | None:
    """Binding happens in the old mount namespace."""
    if context.path not in context.request.files.values():
        return None
    if context.system.has_capability(CAP_SYS_ADMIN):
        return None
    return Hint(
        "only root can bind a namespace to a file outside of it", type=(context.line_as_root(),)
    )


def _mount_of(context: FailureContext, path: str) -> Mount | None:
    try:
        real = posix.readlink(path)
    except (OSError, ValueError):
        real = path
    return context.system.mount_of(absolute(real))


# ---- proc --------------------------------------------------------------------------------------


def proc_is_missing(context: FailureContext) -> Hint | None:
    """Without a proc, no map can be written."""
    if is_there("/proc/self/ns"):
        return None
    if is_there("/proc/1/ns"):
        return Hint(
            "the proc here shows another PID namespace, in which this process is not: add "
            "--mount-proc to the unshare that started this one"
        )
    mounting = Command(tool("mount"), "-t", "proc", "proc", "/proc")
    return Hint("no proc is mounted on /proc", type=(context.as_root(mounting),))


def proc_is_read_only(context: FailureContext) -> Hint | None:
    """The maps are files of proc, which is mounted read-only: EROFS."""
    return Hint("the proc on /proc is mounted read-only, and the maps are written there")
