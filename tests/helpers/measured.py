"""The command under test where coverage is measured: pyunshare, watched by coverage.py.

``measuring.py`` puts this file into a directory that all users may read, with all it needs: the
packages ``coverage`` and ``pyunshare``, ``recording.py``, and a directory ``reached`` that all
users may write to.
"""

from __future__ import annotations

import sys

HERE = __file__.rpartition("/")[0]
sys.path.insert(0, HERE)  # started with -I and -S, as the installed command is

import posix  # noqa: E402

from recording import Record  # noqa: E402


def main() -> None:
    """Be the command, measured from its first import on."""
    record = Record(HERE, f"{HERE}/reached")
    record.save_at_ends()
    if sys.argv[0] == "-c":  # the intermediate process of a launch from Python
        from pyunshare import syscalls

        syscalls.clone = record.watching_copies(syscalls.clone)
        if sys.argv[1] == "hint":  # it is killed as soon as it has written that
            posix.write = record.saving_before(posix.write)
        from pyunshare.api.intermediate import main as serve

        serve()
    sys.argv[0] = "pyunshare"
    import pyunshare.__main__  # noqa: F401  # python3 -m pyunshare, which does not return


main()
