"""The package ``pyunshare`` as programs in Python import it where coverage is measured.

``measuring.py`` puts this file into a directory for PYTHONPATH, as ``pyunshare/__init__.py``. It
begins to measure, and becomes the package that lies beside ``recording.py``.
"""

import atexit as _atexit
import sys as _sys

_place = __file__.rsplit("/", 3)[0]
_sys.path.insert(0, _place)
from recording import Record as _Record  # noqa: E402

_sys.path.remove(_place)
_record = _Record(_place, f"{_place}/reached")
_atexit.register(_record.save)
_record.save_at_ends()
__path__ = [f"{_place}/pyunshare"]
__file__ = f"{_place}/pyunshare/__init__.py"
with open(__file__) as _file:
    exec(compile(_file.read(), __file__, "exec"))

from pyunshare import syscalls as _syscalls  # noqa: E402

_syscalls.clone = _record.watching_copies(_syscalls.clone)
