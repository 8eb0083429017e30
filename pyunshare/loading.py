"""Modules of ours, loaded without a trace and without trust in what others may have written.

A launch often runs as root, from a directory that is root's. It writes no bytecode there: with
little room what it writes is broken, and with a strange umask others could write to it. And it
reads bytecode only where nobody else can have written it, and does without where it is broken.
"""

import posix
import sys
from _frozen_importlib_external import SourceFileLoader, cache_from_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.abc import PathEntryFinder
    from types import CodeType
    from typing import Callable

OTHERS_MAY_WRITE = 0o022


def load_carefully(directory: str) -> None:
    """Have all modules in a directory, and below, loaded with care; write no bytecode.

    This is for a process of ours alone: it holds for all that Python imports from then on.
    """
    finder: list[Callable[[str], PathEntryFinder]] = []

    def hook(path: str) -> "PathEntryFinder":
        if not path.startswith(directory):
            raise ImportError(path)
        if not finder:  # most launches need no further module
            from _frozen_importlib_external import FileFinder

            finder.append(FileFinder.path_hook((careful_loader(), [".py"])))
        return finder[0](path)

    sys.dont_write_bytecode = True
    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.pop(directory, None)


def careful_loader() -> "type[SourceFileLoader]":
    """Return a loader that takes bytecode only if it is whole, and its owner's alone to write."""

    class CarefulLoader(SourceFileLoader):
        def get_code(self, fullname: str) -> "CodeType | None":
            try:
                check_bytecode(self.path)
                return SourceFileLoader.get_code(self, fullname)
            except Exception:  # marshal has many for what is broken
                return self.source_to_code(self.get_data(self.path), self.path)

    return CarefulLoader


def check_bytecode(source: str) -> None:
    """Raise OSError if others than those who may write the source may write its bytecode.

    It does so, too, if there is none.
    """
    path = cache_from_source(source)
    allowed = posix.stat(source)
    for each in (path, path.rpartition("/")[0]):
        status = posix.stat(each)
        is_wider = status.st_mode & ~allowed.st_mode & OTHERS_MAY_WRITE
        if is_wider or status.st_uid not in (0, allowed.st_uid):
            raise PermissionError(path)
