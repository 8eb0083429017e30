"""unshare(1) in pure Python: run a program in new Linux namespaces."""

from .version import __version__ as __version__
