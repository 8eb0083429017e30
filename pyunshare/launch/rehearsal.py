"""A launch without its program: whether another command line would do, before it is told of."""

import posix

from ..messages import STANDARD_ERROR
from ..options.parser import take_options
from ..options.request import Request
from ..syscalls import CLONE_NEWNS, MS_SLAVE, load_c_library, mount, unshare
from .mounts import set_propagation
from .steps import enter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import Failure


class _Silence:
    """A reporter that nobody hears."""

    def report(self, failure: "Failure") -> int:
        return failure.status

    def stop_loading(self) -> None:
        pass


def rehearse(argv: "list[str]") -> None:
    """Do all of a launch but the program, in a process that is made for it.

    Raises Failure, or ends the process, where the launch would fail.
    """
    be_silent()
    request = Request.from_options(take_options([*argv]))
    if request.files:  # nothing may stay bound
        load_c_library()
        unshare(CLONE_NEWNS)
        set_propagation("/", MS_SLAVE, "")
        for path in request.files.values():
            _have_file(path)
    child = enter(request, _Silence())
    if child:
        child.release()
        posix._exit(child.wait())


def be_silent() -> None:
    """Have standard descriptors with nothing to read, and that keep nothing of what is written."""
    try:
        null = posix.open("/dev/null", posix.O_RDWR)
    except OSError:  # a root directory without devices
        null = posix.open("/", posix.O_PATH)
    for fd in range(STANDARD_ERROR + 1):
        posix.dup2(null, fd)


def _have_file(path: str) -> None:
    """Make a file for the rehearsal where there is none yet, on a file system for it."""
    try:
        posix.stat(path)
    except FileNotFoundError:
        here = posix.getcwd()
        path = path if path.startswith("/") else f"{here}/{path}"
        mount("none", path.rpartition("/")[0] or "/", "tmpfs", 0)
        posix.chdir(here)  # which may be what has been mounted on
        flags = posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
        posix.close(posix.open(path, flags))
