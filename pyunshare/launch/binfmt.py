"""The steps of a launch that concern binary formats of its own, see the kernel's binfmt-misc."""

import posix

from ..errors import checked
from ..files import write_file
from ..options.request import BINFMT_MISC
from .mounts import mount_kernel_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..options.request import Request


def _is_registered_early(request: "Request") -> bool:
    """Return whether the F flag wants the interpreter opened in the old root."""
    _, colon, flags = (request.binary_format or "").rpartition(":")
    return request.root is not None and bool(colon) and "F" in flags


def register_early(request: "Request") -> None:
    """Register a binary format before the root changes, if that is when it has to be."""
    if _is_registered_early(request):
        mount_kernel_files("binfmt_misc", BINFMT_MISC)
        _register(BINFMT_MISC, request)


def mount_binfmt_misc(request: "Request") -> None:
    """Mount the binary formats of the new user namespace, and add the one asked for."""
    assert request.binfmt_misc is not None
    mount_kernel_files("binfmt_misc", request.binfmt_misc)
    if not _is_registered_early(request):
        _register(request.binfmt_misc, request)


def _register(directory: str, request: "Request") -> None:
    if request.binary_format is None:
        return
    flags = posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
    wording = "cannot open %s", directory
    mounted = checked("open", wording, posix.open, directory, flags, path=directory)
    wordings = ("cannot open %s/register", directory), ("write failed %s/register", directory)
    write_file("register", request.binary_format, *wordings, directory, mounted)
    posix.close(mounted)
