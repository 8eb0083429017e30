"""The options as objects, for whoever has time for them: a launch makes do with the rows."""

from .table import ROWS, is_required


class Option:
    """One option: its names, the value it takes, the namespaces it asks for, and its help.

    Each attribute is what the table has in that place, and ``group`` the heading.
    """

    __slots__ = ("flags", "group", "help", "metavar", "name", "short")

    def __init__(
        self, name: str, short: str, metavar: "str | None", flags: int, group: str, help: str
    ) -> None:
        self.name = name
        self.short = short
        self.metavar = metavar
        self.flags = flags
        self.group = group
        self.help = help

    @property
    def requires_value(self) -> bool:
        """Whether the next word is the value where none is attached."""
        return is_required(self.metavar)


OPTIONS = tuple(Option(*row) for row in ROWS)
BY_NAME = {option.name: option for option in OPTIONS}
