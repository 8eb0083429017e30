"""unshare(1) in pure Python: run a program in new Linux namespaces."""

__version__ = "0.1.0"
