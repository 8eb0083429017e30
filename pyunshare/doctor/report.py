"""What the check-up has found, and how it is told: see :mod:`pyunshare.doctor`."""

from __future__ import annotations

import platform
import pwd
import shutil
from typing import Any, NamedTuple

from ..diagnostics.maps import is_privileged_tool
from ..diagnostics.namespaces import APPARMOR, USERNS_CLONE
from ..diagnostics.system import NAMESPACES, Machine
from ..version import __version__

NAME = "pyunshare"
SWITCHES = (USERNS_CLONE, APPARMOR)
MAP_TOOLS = ("newuidmap", "newgidmap")


class Outcome(NamedTuple):
    """How a launch went: what it said, why, and what to type against it."""

    works: bool
    message: str
    cause: str
    commands: list[str]


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

    user: pwd.struct_passwd
    machine: Machine
    namespaces: list[Finding]
    options: list[Finding]

    @property
    def outcomes(self) -> list[tuple[Finding, str, Outcome]]:
        """What was tried, as whom, and what became of it."""
        return [
            (finding, who, outcome)
            for who in ("root", self.user.pw_name)
            for finding in [*self.namespaces, *self.options]
            for outcome in [finding.as_root if who == "root" else finding.as_user]
            if outcome
        ]

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
    machine = report.machine

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
        "kernel": machine.kernel,
        "user": {"name": report.user.pw_name, "uid": report.user.pw_uid},
        "namespaces": found(report.namespaces),
        "options": found(report.options),
        "limits": {
            namespace.limit_name: machine.sysctl(namespace.limit_name) for namespace in NAMESPACES
        },
        "switches": {name: machine.sysctl(name) for name in SWITCHES},
        "seccomp_filter": machine.has_seccomp_filter,
        "no_new_privs": machine.status("NoNewPrivs") == "1",
        "chroot": machine.is_chrooted,
        "in_initial_user_namespace": machine.is_in_initial_user_namespace,
        "proc_covered_by": machine.covered_proc(),
        "subordinate_ids": {
            name: {
                kind: [[block.start, block.count] for block in machine.blocks_of(kind, uid)]
                for kind in ("uid", "gid")
            }
            for name, uid in (("root", 0), (report.user.pw_name, report.user.pw_uid))
        },
        "helpers": {
            tool: {"path": path, "privileged": is_privileged_tool(path) if path else None}
            for tool, path in ((tool, shutil.which(tool)) for tool in MAP_TOOLS)
        },
        "works": not report.missing,
    }


def as_text(report: Report) -> str:
    """Return the report for people."""
    data = as_data(report)
    user = report.user.pw_name
    lines = [f"{NAME} {__version__}, Python {data['python']}, Linux {data['kernel']}", ""]
    lines += _table("Namespaces", report.namespaces, user)
    lines += _table("Options", report.options, user)
    lines += _section("Limits", [(name, _value(v)) for name, v in data["limits"].items()])
    lines += _section("Switches", _switch_rows(data))
    lines += _section("Subordinate ids", _subordinate_rows(data))
    lines += _section("Helpers", _helper_rows(data))
    return "\n".join([*lines, *_verdict(report)]) + "\n"


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
    missing = dict.fromkeys(label for label, _, _ in report.missing)
    if missing:
        return [
            *lines,
            f"Verdict: what could be expected to work, and does not: {', '.join(missing)}",
        ]
    return [*lines, f"Verdict: all that the user {report.user.pw_name} could expect works."]


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
