"""What was measured, as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from growth import Growth
from launches import Row
from side_by_side import Bar
from timing import Spread


def table(lines: Iterable[Sequence[str]]) -> str:
    """Return lines of cells with the columns aligned, numbers to the right."""
    rows = list(lines)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  " + "  ".join(map(_aligned, row, widths)).rstrip() for row in rows)


def _aligned(cell: str, width: int) -> str:
    is_number = cell.lstrip("-")[:1].isdigit()
    return cell.rjust(width) if is_number else cell.ljust(width)


def of_rows(rows: Iterable[Row]) -> str:
    """Return the table of bars."""
    heading = ("", "median", "", "quartiles", "against", "ratio", "quartiles", "bar", "")
    return table([heading, *map(_line, rows)])


def _line(row: Row) -> Sequence[str]:
    digits = 0 if row.unit == "kB" else 2
    bar = ("", "")
    if row.limit is not None:
        bar = (f"{row.limit:.2f}", "over" if row.is_over else "PASS")
    return (
        row.what,
        f"{row.value.middle:.{digits}f}",
        row.unit,
        _quartiles(row.value, digits),
        row.against,
        f"{row.ratio.middle:.2f}",
        _quartiles(row.ratio),
        *bar,
    )


def of_bars(bars: Iterable[Bar]) -> str:
    """Return launches side by side, in ms."""
    lines = [(bar.label, f"{bar.whole.middle:.2f}", _quartiles(bar.whole)) for bar in bars]
    return table([("", "ms", "quartiles"), *lines])


def of_parts(parts: Mapping[str, Spread]) -> str:
    """Return where the time goes, in ms and parts of the whole."""
    whole = sum(each.middle for each in parts.values())
    lines = [
        (name, f"{each.middle:.2f}", f"{each.middle / whole:.0%}", _quartiles(each))
        for name, each in parts.items()
    ]
    return table([("", "ms", "", "quartiles"), *lines, ("all", f"{whole:.2f}", "100%", "")])


def of_growth(growth: Growth) -> str:
    """Return how a launch grows, and whether its extra does so in a line at most."""
    heading = (growth.name, "pyunshare ms", "reference ms", "extra ms", "quartiles")
    lines = [
        (str(size), *(f"{each.middle:.2f}" for each in measured), _quartiles(measured[-1]))
        for size, *measured in zip(growth.sizes, growth.own, growth.reference, growth.extra)
    ]
    at_0, slope = growth.line()
    verdict = "PASS" if growth.is_at_most_linear() else "over"
    fit = (
        f"  extra: {at_0:.2f} ms + {1000 * slope:.4g} µs for each;"
        f" nearest curve size^{growth.exponent():.1f}; at most linear: {verdict}"
    )
    return f"{table([heading, *lines])}\n{fit}"


def _quartiles(spread: Spread, digits: int = 2) -> str:
    return f"{spread.low:.{digits}f} to {spread.high:.{digits}f}"
