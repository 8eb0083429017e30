"""What the check-up has found, and how it is told: see :mod:`pyunshare.doctor`."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..diagnostics.commands import printable
from ..diagnostics.maps import is_privileged_tool
from ..diagnostics.namespaces import APPARMOR, USERNS_CLONE
from ..diagnostics.system import NAMESPACES, System
from ..version import __version__

NAME = "pyunshare"
SWITCHES = (USERNS_CLONE, APPARMOR)
MAP_TOOLS = ("newuidmap", "newgidmap")


class Outcome(NamedTuple):
    """How a launch went: what it said, why, and what to type against it."""

    works: bool
    message: str = ""
    cause: str = ""
    commands: Sequence[str] = ()


class Trial(NamedTuple):
    """A launch to try: its options, those that it takes for an ordinary user, and what it shows.

    Without options for an ordinary user it is not tried as one.
    What is not ``expected`` may fail without the machine being at fault.
    """

    label: str
    options: list[str]
    ordinary_options: list[str] | None
    is_expected: bool = True


class Finding(NamedTuple):
    """What became of a trial, as root and as the ordinary user; None where it was not tried."""

    trial: Trial
    as_root: Outcome | None
    as_user: Outcome | None


class Report(NamedTuple):
    """All that the check-up has found."""

    user: str
    uid: int
    system: System
    namespaces: list[Finding]
    options: list[Finding]
    has_c_library: bool = True

    @property
    def outcomes(self) -> list[tuple[Finding, str, Outcome]]:
        """What was tried, as whom, and what became of it."""
        return [
            (finding, who, outcome)
            for who in ("root", self.user)
            for finding in [*self.namespaces, *self.options]
            for outcome in [finding.as_root if who == "root" else finding.as_user]
            if outcome
        ]

    @property
    def works(self) -> bool:
        """Whether all works that could be expected, and something does."""
        return self.has_c_library and bool(self.outcomes) and not self.missing

    @property
    def missing(self) -> list[tuple[str, str, Outcome]]:
        """What was expected and does not work: the option, as whom, and the outcome."""
        return [
            (finding.trial.label, who, outcome)
            for finding, who, outcome in self.outcomes
            if finding.trial.is_expected and not outcome.works
        ]


def as_data(report: Report) -> dict[str, Any]:
    """Return the report for programs."""
    system = report.system

    def found(findings: list[Finding]) -> list[dict[str, Any]]:
        return [
            {
                "option": finding.trial.label,
                "expected": finding.trial.is_expected,
                "root": finding.as_root._asdict() if finding.as_root else None,
                "user": finding.as_user._asdict() if finding.as_user else None,
            }
            for finding in findings
        ]

    return {
        "version": __version__,
        "python": platform.python_version(),
        "ctypes": report.has_c_library,
        "kernel": system.kernel,
        "user": {"name": report.user, "uid": report.uid},
        "namespaces": found(report.namespaces),
        "options": found(report.options),
        "limits": {
            namespace.limit_name: system.sysctl(namespace.limit_name) for namespace in NAMESPACES
        },
        "switches": {name: system.sysctl(name) for name in SWITCHES},
        "seccomp_filter": system.has_seccomp_filter,
        "no_new_privs": system.has_no_new_privs,
        "chroot": system.is_chrooted,
        "in_initial_user_namespace": system.is_in_initial_user_namespace,
        "proc_covered_by": system.covered_proc(),
        "subordinate_ids": {
            name: {
                kind: [[block.start, block.count] for block in system.blocks_of(kind, uid)]
                for kind in ("uid", "gid")
            }
            for name, uid in (("root", 0), (report.user, report.uid))
        },
        "helpers": {
            tool: {"path": path, "privileged": is_privileged_tool(path) if path else None}
            for tool, path in ((tool, shutil.which(tool)) for tool in MAP_TOOLS)
        },
        "works": report.works,
    }


def as_text(report: Report) -> str:
    """Return the report for people."""
    data = as_data(report)
    user = report.user
    lines = [f"{NAME} {__version__}, Python {data['python']}, Linux {data['kernel']}", ""]
    lines += _table("Namespaces", report.namespaces, user)
    lines += _table("Options", report.options, user)
    lines += _section("Limits", [(name, _value(v)) for name, v in data["limits"].items()])
    lines += _section("Switches", _switch_rows(data))
    lines += _section("Subordinate ids", _subordinate_rows(data))
    lines += _section("Helpers", _helper_rows(data))
    lines += _verdict(report)
    return "".join(f"{printable(line)}\n" for line in lines)


def _table(title: str, findings: list[Finding], user: str) -> list[str]:
    heading = f"{title:<22}{'as root':<12}as {user}"
    rows = [
        f"  {finding.trial.label:<20}{_word(finding.as_root):<12}{_word(finding.as_user)}"
        for finding in findings
    ]
    return [heading, *rows, ""]


def _word(outcome: Outcome | None) -> str:
    if outcome is None:
        return "not tried"
    return "works" if outcome.works else "fails"


def _section(title: str, rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows) + 2
    return [title, *(f"  {name:<{width}}{value}" for name, value in rows), ""]


def _value(value: int | None) -> str:
    return "not in this kernel" if value is None else str(value)


def _switch_rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    covers = data["proc_covered_by"]
    proc = "not mounted" if covers is None else ", ".join(covers) or "nothing"
    chroot = {True: "yes", False: "no", None: "cannot be told"}[data["chroot"]]
    return [
        *((name, _value(value)) for name, value in data["switches"].items()),
        ("seccomp filter", "yes" if data["seccomp_filter"] else "no"),
        ("no_new_privs", "yes" if data["no_new_privs"] else "no"),
        ("inside a chroot", chroot),
        ("inside a user namespace", "no" if data["in_initial_user_namespace"] else "yes"),
        ("covered in /proc", proc),
    ]


def _subordinate_rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (
            f"{name}, {kind}",
            ", ".join(f"{start}-{start + count - 1}" for start, count in blocks) or "none",
        )
        for name, kinds in data["subordinate_ids"].items()
        for kind, blocks in kinds.items()
    ]


def _helper_rows(data: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for tool, facts in data["helpers"].items():
        power = "" if facts["privileged"] else ", without the power that it needs"
        rows.append((tool, f"{facts['path']}{power}" if facts["path"] else "not in PATH"))
    return rows


def _verdict(report: Report) -> list[str]:
    """Return what does not work, why, and what mends it; or that all is well."""
    lines = []
    for labels, who, outcome in _complaints(report):
        lines.append(f"{', '.join(labels)}, as {who}: {outcome.message or 'fails'}")
        lines += [f"  {outcome.cause}"] if outcome.cause else []
        lines += [f"  type: {command}" for command in outcome.commands]
        lines.append("")
    if not report.has_c_library:
        lines += ["This Python has no ctypes, without which few launches work; install it.", ""]
    tried = [who for who in ("root", report.user) if any(who == by for _, by, _ in report.outcomes)]
    if report.missing:
        missing = dict.fromkeys(label for label, _, _ in report.missing)
        verdict = f"what could be expected to work, and does not: {', '.join(missing)}"
    elif not tried:
        verdict = "nothing could be tried"
    else:
        failing = dict.fromkeys(
            found.trial.label for found, _, out in report.outcomes if not out.works
        )
        verdict = f"all that can be expected works for {' and '.join(tried)}"
        if failing:
            verdict += f"; what fails takes more than is there: {', '.join(failing)}"
    if report.user not in tried:
        verdict += f"; nothing could be tried as {report.user}"
    return [*lines, f"Verdict: {verdict}"]


def _complaints(report: Report) -> list[tuple[list[str], str, Outcome]]:
    """Return what does not work; options that fail alike, for the same user, together."""
    found: list[tuple[list[str], str, Outcome]] = []
    for finding, who, outcome in report.outcomes:
        if outcome.works:
            continue
        for labels, other, same in found:
            if who == other and (outcome.message, outcome.cause) == (same.message, same.cause):
                labels.append(finding.trial.label)
                break
        else:
            found.append(([finding.trial.label], who, outcome))
    return found
