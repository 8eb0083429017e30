"""The steps of a launch that change the root directory and the working directory."""

import posix

from ..errors import attempt, keep_to_english


def change_root(path: "str | None") -> None:
    """Change the root directory, if one is given: chroot(2). Raises Failure."""
    if path is not None:
        attempt(("cannot change root directory to '%s'", path), posix.chroot, path)
        keep_to_english()
        change_working_directory("/")


def change_working_directory(path: "str | None") -> None:
    """Change the working directory, if one is given: chdir(2). Raises Failure."""
    if path is not None:
        attempt(("cannot change directory to %s", path), posix.chdir, path)
