"""Pictures of where the time goes and how it grows, for light and for dark pages."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from growth import Growth
from side_by_side import PARTS, Bar

TEXT = "#123456"  # stands for the page's own colour, until the file is written
WHOLE = "#8b949e"
PART_COLOURS = ("#4c8dd6", "#e8894a", "#c9a227", "#c7556b", "#4fa36c")
# In an <img> the style of the page does not reach, but the reader's preference does.
STYLE = """<style>
svg { color: #1f2328 }
@media (prefers-color-scheme: dark) { svg { color: #e6edf3 } }
</style>
"""


def draw_bars(bars: Sequence[Bar], title: str, path: Path) -> None:
    """Write an SVG of launches side by side, the one with known parts in its parts."""
    with _page(path, (8.5, 0.5 * len(bars) + 1.7)) as figure:
        axes = figure.subplots()
        end = max(bar.whole.high for bar in bars)
        for row, bar in enumerate(bars):
            _draw_bar(axes, row, bar)
            text = f"{bar.whole.middle:.1f} ms"
            axes.text(bar.whole.high + 0.012 * end, row, text, va="center")
        axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
        axes.invert_yaxis()
        axes.set_xlim(0, 1.1 * end)
        axes.set_xlabel("milliseconds from start to end; thin lines: quartiles")
        axes.set_title(title, fontsize=11)
        axes.tick_params(axis="y", length=0)
        axes.spines[["top", "right", "left"]].set_visible(False)
        patches: Any = importlib.import_module("matplotlib.patches")
        handles = [
            patches.Patch(color=colour, label=part) for part, colour in zip(PARTS, PART_COLOURS)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)


def draw_growth(kinds: Sequence[Growth], path: Path) -> None:
    """Write an SVG of how launches grow with what they are given to do."""
    with _page(path, (8.5, 5.5)) as figure:
        for axes, growth in zip(figure.subplots(2, 2).flat, kinds):
            for label, spreads, colour in (
                ("pyunshare", growth.own, PART_COLOURS[0]),
                ("reference", growth.reference, WHOLE),
                ("extra", growth.extra, PART_COLOURS[1]),
            ):
                middles = [each.middle for each in spreads]
                axes.plot(growth.sizes, middles, marker=".", color=colour, label=label)
                axes.fill_between(
                    growth.sizes,
                    [each.low for each in spreads],
                    [each.high for each in spreads],
                    color=colour,
                    alpha=0.2,
                    linewidth=0,
                )
            axes.set_xlabel(growth.name)
            axes.set_ylabel("milliseconds")
            axes.set_ylim(bottom=0)
            axes.spines[["top", "right"]].set_visible(False)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)


@contextlib.contextmanager
def _page(path: Path, inches: tuple[float, float]) -> Iterator[Any]:
    """Give a figure to draw on, and write it."""
    # By name: only this needs it, and type checkers need not have it.
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("svg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    settings = {
        "svg.fonttype": "path",
        "svg.hashsalt": "pyunshare",  # the same picture is to be the same file
        "font.size": 10,
        "legend.frameon": False,
        **dict.fromkeys(
            ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), TEXT
        ),
    }
    with pyplot.rc_context(settings):
        figure = pyplot.figure(figsize=inches, layout="constrained")
        yield figure
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
        pyplot.close(figure)
    _follow_the_page(path)


def _draw_bar(axes: Any, row: int, bar: Bar) -> None:
    if bar.parts:
        left = 0.0
        for spread, colour in zip(bar.parts.values(), PART_COLOURS):
            width = max(spread.middle, 0.0)  # a difference of two medians may be less than nothing
            axes.barh(row, width, left=left, height=0.62, color=colour)
            left += width
    else:
        axes.barh(row, bar.whole.middle, height=0.62, color=WHOLE)
    axes.plot([bar.whole.low, bar.whole.high], [row, row], color=TEXT, linewidth=1)


def _follow_the_page(path: Path) -> None:
    """Have the text take the colour that suits the reader's page."""
    text = path.read_text(encoding="utf-8")
    head, start, rest = text.partition("<defs>")
    path.write_text(head + STYLE + start + rest.replace(TEXT, "currentColor"), encoding="utf-8")
