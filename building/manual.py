"""The manual page man/pyunshare.1: ``python3 -m building.manual`` writes it anew.

argparse-manpage makes the page of the parser that building.argument_parser draws from the table of
options. What it knows nothing of stands in man/, as man(7) source in parts under ``[headings]``:
the other sections in sections.roff, and in options.roff what is to be said of each option beyond
the sentence that the table has for it.
"""

import argparse
import os
import re
import textwrap
import time
from pathlib import Path

try:
    from argparse_manpage.manpage import Manpage, _ManpageFormatter
except ModuleNotFoundError:
    raise SystemExit("argparse-manpage is missing, which pip installs") from None

from building.addresses import addresses
from building.argument_parser import argument_parser
from pyunshare import __version__
from pyunshare.options.help import COMPATIBLE_WITH
from pyunshare.options.table import GENERAL

PROJECT = Path(__file__).parent.parent
PAGE = PROJECT / "man" / "pyunshare.1"
SECTIONS = PROJECT / "man" / "sections.roff"
OPTION_TEXTS = PROJECT / "man" / "options.roff"
CHANGELOG = PROJECT / "CHANGELOG.md"

NAME = "run a program in new namespaces"
TITLE = "User Commands"
BEFORE_THE_FIRST_RELEASE = "2026-11-22"

HEADER = r".\" Made by building/manual.py from the table of options and man/*.roff: edit those."
LAYOUT = (".nh", ".ad l")  # no option divided at the end of a line, no line stretched


def main() -> None:
    """Write the page."""
    PAGE.write_text(manual_page(), encoding="utf-8")


def manual_page() -> str:
    """Return the source of the page."""
    parser = argument_parser()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter  # no lines as long as a terminal
    parser.description = None  # the section has a longer one
    data = {
        "project_name": "pyunshare",
        "version": __version__,
        "description": NAME,
        "manual_title": TITLE,
        "date": date(),
    }
    page = Manpage(parser, _data=data)
    page.mf = OptionsFormatter(parts(OPTION_TEXTS))
    for heading, text in parts(SECTIONS).items():
        page.add_section(heading, ">", text)
    title, *lines = [line for line in str(page).splitlines() if line]  # an empty one is a request
    return "\n".join([HEADER, title.replace(r"\-", "-"), *LAYOUT, *lines]) + "\n"


def date() -> str:
    """Return the day of the page: SOURCE_DATE_EPOCH, else that of the newest release."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch:
        try:
            return time.strftime("%Y-%m-%d", time.gmtime(int(epoch)))
        except (ValueError, OverflowError, OSError):
            raise SystemExit(f"SOURCE_DATE_EPOCH is no time in seconds: {epoch!r}") from None
    released = re.search(r"^## .*(\d{4}-\d\d-\d\d)", CHANGELOG.read_text("utf-8"), re.MULTILINE)
    return released[1] if released else BEFORE_THE_FIRST_RELEASE


def parts(path: Path) -> "dict[str, str]":
    """Return the texts of a file by the headings in brackets above them."""
    text = path.read_text("utf-8")
    for mark, value in {
        "COMPATIBLE_WITH": COMPATIBLE_WITH,
        "ISSUES": addresses()["issues"],
    }.items():
        text = text.replace(f"@{mark}@", value.replace("-", "\\-"))
    _, *found = re.split(r"^\[(.+)\]\n", text, flags=re.MULTILINE)
    return {heading: text.strip("\n") for heading, text in zip(found[::2], found[1::2])}


class OptionsFormatter(_ManpageFormatter):
    """The options as a manual page has them: one section, ``-m, --mount[=file]``.

    argparse-manpage has ``-m [FILE], --mount [FILE]``, a section for each group of options, and
    leaves --help out.
    """

    def __init__(self, texts: "dict[str, str]") -> None:
        super().__init__("pyunshare", argparse.RawDescriptionHelpFormatter("pyunshare"), "pretty")
        self.texts = texts

    def format_parser(
        self, parser: argparse.ArgumentParser, extra_description: "str | None" = None
    ) -> "list[str]":
        """Return the lines of DESCRIPTION and OPTIONS."""
        lines = [".SH DESCRIPTION", extra_description or "", ".SH OPTIONS"]
        groups = [
            (group.title, [action for action in group._group_actions if action.option_strings])
            for group in parser._action_groups
        ]
        # --help and --version come last, as in --help itself.
        for title, actions in sorted(groups, key=lambda group: group[0] == GENERAL):
            if actions:
                lines.append(f".SS {title}")
            for action in actions:
                lines += self._format_action(action)
        return lines

    def _format_action(self, action: argparse.Action) -> "list[str]":
        name = action.option_strings[-1][2:]
        sentence = (action.help or "").replace("%%", "%") + "."
        sentence = sentence[0].upper() + sentence[1:]
        lines = textwrap.wrap(roff(sentence), 78, break_long_words=False, break_on_hyphens=False)
        return [".TP", self._format_action_invocation(action), *lines, self.texts[name]]

    def _format_action_invocation(self, action: argparse.Action) -> str:
        names = ", ".join(roff(name) for name in action.option_strings)
        if not isinstance(action.metavar, str):
            return names
        # In allow|deny the words are typed as they are, in uid:gid they stand for others.
        font = "B" if "|" in action.metavar else "I"
        value = re.sub(r"\w+", rf"\\f{font}\g<0>\\fR", action.metavar)
        return f"{names}[={value}]" if action.nargs == argparse.OPTIONAL else f"{names} {value}"


def roff(text: str) -> str:
    """Return plain text as man(7) source, the options and manual pages that it names in bold.

    Raises ValueError for what the options of the table have no need of: text that roff(7) would
    take for something else.
    """
    if re.search(r"\\|(?:^|\s)[.']", text):
        raise ValueError(text)
    text = re.sub(r"(?<!\S)--?\w[\w-]*|\b\w+(?=\(\d\))", r"\\fB\g<0>\\fR", text)
    return text.replace("-", "\\-")


if __name__ == "__main__":
    main()
