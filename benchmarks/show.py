"""Renders a comparison as a short table for the README and as a chart.

python -m benchmarks.show comparison.json --chart docs/performance.svg
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

_ROW, _BAR, _LABELS, _WIDTH = 34, 20, 280, 750
_HEAD = 46
_COLOURS = {"ours": "#1a7f5a", "others": "#8a94a0", "text": "#57606a"}
_OURS = ("d", "e")


def table(contenders: Sequence[dict[str, Any]]) -> str:
    """Renders the short table as Markdown."""
    lines = [
        "| | µs an event | times as fast as the first row | events a second | memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for each in contenders:
        cost, ratio = each["microseconds_per_event"], each["times_as_fast_per_event"]
        lines.append(
            f"| {each['title']} | {cost:.1f} | {ratio:.1f} | {round(1e6 / cost, -3):,.0f} "
            f"| {each['largest_bytes'] / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def chart(contenders: Sequence[dict[str, Any]], title: str) -> str:
    """Renders the cost of an event as bars, in SVG for light and dark backgrounds."""
    costs = [each["microseconds_per_event"] for each in contenders]
    scale = (_WIDTH - _LABELS - 90) / max(costs)
    height = _HEAD + _ROW * len(costs)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="14" fill="{_COLOURS["text"]}">',
        f"<title>{escape(title)}</title>",
        f'<text x="0" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for row, (each, cost) in enumerate(zip(contenders, costs, strict=True)):
        top = _HEAD + _ROW * row
        colour = _COLOURS["ours" if each["letter"] in _OURS else "others"]
        length = max(cost * scale, 1)
        parts += [
            f'<text x="0" y="{top + 15}">{escape(each["title"])}</text>',
            f'<rect x="{_LABELS}" y="{top}" width="{length:.1f}" height="{_BAR}" '
            f'fill="{colour}" rx="2"/>',
            f'<text x="{_LABELS + length + 8:.1f}" y="{top + 15}">{cost:.1f} µs</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes the chart."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.show",
        description="Renders a comparison as a table and as a chart.",
    )
    parser.add_argument("comparison", help="a file from benchmarks.compare --json")
    parser.add_argument("--chart", metavar="FILE", help="write a chart to this SVG file")
    options = parser.parse_args(arguments)
    contenders = json.loads(Path(options.comparison).read_text())["contenders"]
    print(table(contenders))
    if options.chart is not None:
        Path(options.chart).write_text(chart(contenders, "What one event costs"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
