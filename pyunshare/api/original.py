"""What this package builds on of subprocess, whatever is in its place there.

``subprocess.Popen`` may be a mock, or what starts programs of others in namespaces of ours.
"""

from __future__ import annotations

import importlib.util
import subprocess
from typing import TYPE_CHECKING, Any

__all__ = ["SubprocessPopen"]

NAME = "subprocess", "Popen"


def _popen() -> Any:
    """Return the class that subprocess has made, or, where nobody has it any more, one like it."""
    for kind in (subprocess.Popen, *object.__subclasses__()):
        if isinstance(kind, type) and (kind.__module__, kind.__qualname__) == NAME:
            return kind
    spec = importlib.util.find_spec("subprocess")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kind = module.Popen
    vars(module).update(vars(subprocess), Popen=kind)  # with the exceptions that others catch
    return kind


if TYPE_CHECKING:
    from subprocess import Popen as SubprocessPopen
else:
    SubprocessPopen = _popen()
