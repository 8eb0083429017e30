"""Make the command that is installed of bin/pyunshare, so that it starts sooner.

Python compiles a script anew at each start, and to compile the search for the package takes as
long as to load it. So the installed command tries the one usual place first, and has the search
as text, which is compiled only if the package is not there.
"""

import re
from typing import Optional

QUICK_TRY = """\
# The code takes the package's directory from this variable.
directory = {directory}
try:
    code = SourceFileLoader("amalgamation", directory + "/amalgamation.py").get_code("amalgamation")
except OSError:
    # It is elsewhere. This is text, for to compile it each time would take long.
    code = '''
{search}'''
exec(code)

"""


def installed_script(script: str, library: Optional[str] = None) -> str:
    """Return the text of the command to install.

    ``script`` is the text of bin/pyunshare, and ``library`` is the directory that has the package
    ``pyunshare`` in it, if that is known. Raises ValueError if the search cannot be quoted.
    """
    start, where_this_is, search, end = re.split(r"^# ---- .* ----\n\n", script, flags=re.MULTILINE)
    if library is None:
        start += where_this_is
        directory = 'own + "/site-packages/pyunshare"'
    else:
        search = where_this_is + search
        directory = repr(f"{library}/pyunshare")
    if "\\" in search or "'''" in search:
        raise ValueError("no backslash or ''' can stand in the search, which is to be quoted")
    return start + QUICK_TRY.format(directory=directory, search=search) + end
