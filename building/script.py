"""The scripts that start the command where it is installed, made of one template.

Python compiles a script anew at each start, so what a launch needs in most cases is short, and
the rest is text in it, which is compiled only where it is needed: where the package is somewhere
else, its bytecode missing, broken or others' to write, or Python another one.
"""

from typing import Optional

TEMPLATE = """\
#!/usr/bin/python3 -ISXutf8
# Made by building/script.py.

import _signal
import posix
import sys

sys.dont_write_bytecode = True
{where}
# The merged module takes the package's directory from this variable.
directory = {directory}
try:
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # so Ctrl-C is no traceback
{load}except Exception:
    # This is text, because compiling it each time would take long.
    code = '''
{otherwise}'''
exec(code)
{instead}
main()
"""

# Where pip and the like install: compiled when it was built, beside the source
LOAD_COMPILED = """\
    path = directory + "/amalgamation." + tag
    code = SourcelessFileLoader("amalgamation", path).get_code("amalgamation")
"""

# Where a distribution installs: compiled by its own tools, as root
LOAD = """\
    from _frozen_importlib_external import SourceFileLoader, cache_from_source

    loader = SourceFileLoader("amalgamation", directory + "/amalgamation.py")
    for path in directory + "/__pycache__", cache_from_source(loader.path):
        status = posix.stat(path)
        if status.st_uid or status.st_mode & 0o22:  # others may write to it
            raise ImportError
    code = loader.get_code("amalgamation")
"""

# Where this script is, which may be started by a link
WHERE = """
from _frozen_importlib_external import SourcelessFileLoader

script = __file__
try:
    while True:
        link = posix.readlink(script)
        script = link if link[0] == "/" else script.rpartition("/")[0] + "/" + link
except OSError:
    library = script.rpartition("/")[0] + "/../lib/python3"
tag = sys.implementation.cache_tag
own = library + "." + tag[9:]  # such as 13t of cpython-313t
"""

# What follows is within the quotes, so it has no backslash and no three of them.

CHECK = """\
if sys.implementation.name != "cpython" or sys.version_info < (3, 9):
    sys.exit(
        "%s: needs CPython 3.9 or newer, and this is %s %d.%d"
        % ((sys.argv[0], sys.implementation.name) + sys.version_info[:2])
    )
"""

LOAD_CAREFULLY = """
for directory in {places}:
    directory += "/pyunshare"
    try:
        with open(directory + "/loading.py", encoding="utf-8") as file:
            exec(file.read())
        loader = careful_loader()("amalgamation", directory + "/amalgamation.py")
        exec(loader.get_code("amalgamation"))
        break
    except OSError as error:
        reason = error
else:
"""

FAIL = """\
    sys.exit("%s: cannot load pyunshare: %s" % (__file__, reason))
"""

# Where pip installs, where Debian does, where pip does so on Debian, on Fedora, and with --target
PLACES = (
    'own + "/site-packages", library + "/dist-packages", own.rstrip("t") + "/dist-packages", '
    'script.rpartition("/")[0] + "/../" + sys.platlibdir + "/python3." + tag[9:] + '
    '"/site-packages", script.rpartition("/")[0] + "/.."'
)

SEARCH = """\
    import site  # installed in another way, which site knows

    site.main()
    site.addsitedir(own + "/site-packages")
    try:
        from pyunshare.command import main
    except (ImportError, OSError) as error:
        sys.exit(
            "%s: cannot load pyunshare: %s; looked first in %s/site-packages" % (script, error, own)
        )
"""


# In pyunshare.pyz: a directory in it for each Python that it was compiled for, and the source
WHERE_ARCHIVED = """
archive = sys.path.pop(0)  # all else is to come from Python's own library
"""
LOAD_ARCHIVED = """\
    from zipimport import zipimporter

    code = zipimporter(directory).get_code("amalgamation")
"""
LOAD_SOURCE = """
directory = archive + "/source/pyunshare"
exec(zipimporter(directory).get_code("amalgamation"))
"""
CHECK_UP = """
if sys.argv[1:2] == ["--doctor"] and sys.argv[0].endswith(".pyz"):
    sys.path.append(directory.rpartition("/")[0])
    from pyunshare.doctor.__main__ import begin, restart

    if sys.argv[2:3] != [""]:  # an empty word is ours, and says that all this is isolated by now
        restart([archive, "--doctor", ""], sys.argv[2:])
    begin(sys.argv[3:])
"""


def installed_script(library: Optional[str] = None) -> str:
    """Return the text of the command to install.

    ``library`` is the directory that has the package ``pyunshare`` in it, if that is known.
    Otherwise the script looks for it from where it is itself.
    """
    if library is None:
        where, directory, load = WHERE, 'own + "/site-packages/pyunshare"', LOAD_COMPILED
        load_carefully = LOAD_CAREFULLY.format(places=PLACES) + SEARCH
    else:
        where, directory, load = "", repr(f"{library}/pyunshare"), LOAD
        load_carefully = LOAD_CAREFULLY.format(places=f"({library!r},)") + FAIL
    otherwise = CHECK + load_carefully
    return TEMPLATE.format(
        where=where, directory=directory, load=load, otherwise=otherwise, instead=""
    )


def archived_script() -> str:
    """Return the text of the module ``__main__`` of pyunshare.pyz."""
    return TEMPLATE.format(
        where=WHERE_ARCHIVED,
        directory='archive + "/%d.%d/pyunshare" % sys.version_info[:2]',
        load=LOAD_ARCHIVED,
        otherwise=CHECK + LOAD_SOURCE,
        instead=CHECK_UP,
    )
