"""From the command line to the status: which environments, one after the other, and the table."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests import debian_roots
from tests.everywhere import table
from tests.everywhere.environment import CannotBeMade, Environment, Part, Visit

KINDS = ("debian", "pythons", "musl", "sandboxes", "machines", "architectures")
PAGE = debian_roots.CHECKOUT / "docs" / "compatibility.md"


def environments(kind: str) -> list[Environment]:
    """Return the environments of one kind."""
    found: list[Environment] = importlib.import_module(f"tests.everywhere.{kind}").ENVIRONMENTS
    return found


def chosen(names: Sequence[str], only_quick: bool = False) -> list[Environment]:
    """Return the environments of these names or kinds. Raises KeyError for another name."""
    kinds = {kind: environments(kind) for kind in KINDS}
    everything = [each for kind in kinds.values() for each in kind]
    by_name = {**{each.name: [each] for each in everything}, **kinds}
    wanted = [each.name for name in names for each in by_name[name]]
    return [
        each
        for each in everything
        if (each.name in wanted or not names) and (each.is_quick or not only_quick)
    ]


def visit(environment: Environment, anew: bool) -> list[Part]:
    """Make an environment and run in it what is to be run, and return what was shown."""
    logs = debian_roots.CACHE / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    path = logs / f"{environment.name}.log"
    started = time.monotonic()
    with (
        path.open("w", encoding="utf-8") as log,
        tempfile.TemporaryDirectory(prefix="pyunshare-everywhere-") as directory,
    ):
        visit = Visit(environment.name, Path(directory), log, anew)
        try:
            environment.run(visit)
        except CannotBeMade as error:
            trouble = str(error)
        except Exception as error:  # one environment does not stop the others
            traceback.print_exc(file=log)
            trouble = f"{type(error).__name__}: {error}"
        else:
            trouble = "" if visit.parts else "nothing was run"
        if trouble:
            minutes = (time.monotonic() - started) / 60
            visit.parts.append(Part("cannot be made", minutes=minutes, trouble=trouble))
        for part in visit.parts:
            told = f"{part.passed} passed, {part.failed} failed, {part.skipped} skipped"
            visit.say(f"{part.what}: {part.trouble or told}")
    if not all(part.is_good for part in visit.parts):
        print(f"{environment.name}: see {path}", flush=True)
    return visit.parts


def fetch_reference() -> None:
    """Have launches compared with a current reference, if it can be fetched."""
    if "PYUNSHARE_REFERENCE" not in os.environ:
        fetch = [debian_roots.CHECKOUT / "tests" / "fetch_reference"]
        done = subprocess.run(fetch, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            os.environ["PYUNSHARE_REFERENCE"] = done.stdout.strip()


def main(words: Sequence[str]) -> int:
    """Do what the command line asks for, and return the status."""
    parser = argparse.ArgumentParser(
        prog="run", description="Try pyunshare in each environment that it has to work in."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="an environment, or a kind")
    parser.add_argument("--list", action="store_true", help="print the environments")
    parser.add_argument(
        "--quick", action="store_true", help="only those for CI, of a minute or two"
    )
    parser.add_argument("--anew", action="store_true", help="use nothing that was kept")
    parser.add_argument("--write", action="store_true", help=f"write into docs/{PAGE.name}")
    arguments = parser.parse_args(words)
    try:
        wanted = chosen(arguments.names, arguments.quick)
    except KeyError as error:
        print(f"{parser.prog}: no such environment: {error.args[0]}", file=sys.stderr)
        return 2
    if arguments.list:
        for each in wanted:
            print(f"{each.name:22} {each.purpose}; {each.made}")
        return 0
    if os.geteuid() != 0:
        print(f"{parser.prog}: environments are made by root", file=sys.stderr)
        return 1
    debian_roots.end_in_order()
    fetch_reference()
    started = time.monotonic()
    shown = {}
    try:
        for each in wanted:
            shown[each.name] = visit(each, arguments.anew)
    except KeyboardInterrupt:
        return 130
    finally:
        print(table.for_terminal(shown), flush=True)
        if arguments.write:
            table.write(PAGE, chosen([]), shown, time.strftime("%Y-%m-%d", time.gmtime()))
    parts = [part for each in shown.values() for part in each]
    failed = [name for name, each in shown.items() if not all(part.is_good for part in each)]
    print(f"\nfailed: {', '.join(failed)}" if failed else "\neverything passed")
    passed, broken, skipped = (sum(part[column] for part in parts) for column in (1, 2, 3))
    told = f"{passed} passed, {broken} failed, {skipped} skipped"
    print(f"==== {told} in {time.monotonic() - started:.1f}s ====", flush=True)
    return 1 if failed else 0
