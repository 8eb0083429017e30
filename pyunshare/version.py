"""The version, in a place of its own: what prints it need not import the package."""

__version__ = "0.2.0"
