"""Make the command that is installed of bin/pyunshare, so that it starts sooner.

Python compiles a script anew at each start, and to compile the search for the package takes as
long as to load it. So where packagers say where the package will be, the installed command has no
search. Otherwise it tries the one usual place first, and has the search as text, which is compiled
only if the package is not there.
"""

import re
from typing import Optional

BEGINNING = """\
# Made of bin/pyunshare, where all is explained, by building/script.py.

"""

LOADING = """\
# The code takes the package's directory from this variable.
directory = {directory}
try:
    code = SourceFileLoader("amalgamation", directory + "/amalgamation.py").get_code("amalgamation")
{otherwise}
exec(code)

"""

OR_FAIL = """\
except OSError as error:
    raise SystemExit(f"{__file__}: cannot load pyunshare: {error}")"""

OR_SEARCH = """\
except OSError:
    # It is elsewhere. This is text, for to compile it each time would take long.
    code = '''
{search}'''"""


def installed_script(script: str, library: Optional[str] = None) -> str:
    """Return the text of the command to install.

    ``script`` is the text of bin/pyunshare, and ``library`` is the directory that has the package
    ``pyunshare`` in it, if that is known. Raises ValueError if the search cannot be quoted.
    """
    parts = re.split(r"^# ---- .* ----\n\n", script, flags=re.MULTILINE)
    explanation, start, where_this_is, search, end = parts
    first_line = explanation.partition("\n")[0] + "\n"
    if library is not None:
        directory = repr(f"{library}/pyunshare")
        otherwise = OR_FAIL
    elif "\\" in search or "'''" in search:
        raise ValueError("no backslash or ''' can stand in the search, which is to be quoted")
    else:
        start += where_this_is
        directory = 'own + "/site-packages/pyunshare"'
        otherwise = OR_SEARCH.format(search=search)
    loading = LOADING.format(directory=directory, otherwise=otherwise)
    return first_line + BEGINNING + start + loading + end
