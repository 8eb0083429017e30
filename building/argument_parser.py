"""The options as an argparse.ArgumentParser, for the manual page and other documentation.

The command never uses it: argparse has another grammar than getopt_long(3), and takes longer to
import than a launch takes.
"""

import argparse

from pyunshare.options.option import OPTIONS, Option


def argument_parser(name: str = "pyunshare") -> argparse.ArgumentParser:
    """Return a parser that has every option of the table, group by group."""
    parser = argparse.ArgumentParser(
        prog=name,
        usage="%(prog)s [options] [program [argument...]]",
        description="Run a program, or your shell, in new namespaces.",
        add_help=False,
        allow_abbrev=True,
    )
    groups = {
        title: parser.add_argument_group(title)
        for title in dict.fromkeys(option.group for option in OPTIONS)
    }
    for option in OPTIONS:
        _add(option, groups[option.group])
    parser.add_argument("program", nargs=argparse.REMAINDER, help="the program and its arguments")
    return parser


def _add(option: Option, group: "argparse._ArgumentGroup") -> None:
    names = [f"-{option.short}"] if option.short else []
    names.append(f"--{option.name}")
    help = option.help.replace("%", "%%")
    if option.metavar is None:
        group.add_argument(*names, action="store_true", help=help)
    elif option.requires_value:
        group.add_argument(*names, metavar=option.metavar, help=help)
    else:
        group.add_argument(*names, nargs="?", const="", metavar=option.metavar[1:], help=help)
