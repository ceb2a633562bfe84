"""Computes figures from measurements: cost of an event, start-up, and ratios of contenders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measure import Usage

_COLUMNS = (
    "contender",
    "seconds",
    "(min to max)",
    "times as fast",
    "µs an event",
    "times as fast",
    "start-up s",
    "CPU µs an event",
    "start-up CPU s",
    "times as little",
    "peak MB",
    "of largest",
    "output MB",
)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, minimum and maximum of several values."""

    median: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one contender over all rounds.

    Attributes:
        seconds: Elapsed time, by the number of events.
        microseconds_per_event: The cost of one more event, from the medians of both sizes.
        cpu_microseconds_per_event: The same in processor time, which a busy machine changes less.
        startup_seconds: The elapsed time without any event, extrapolated from both sizes.
        startup_cpu_seconds: The same in processor time.
        times_as_fast: Elapsed time of the first contender at the larger size, divided by that of
            this one.
        times_as_fast_per_event: The same ratio of the cost of an event. None if a cost is not
            positive, which happens on a busy machine or with too few events.
        times_as_little_cpu: The same ratio of the processor time of an event.
        total_bytes: Median of the memory of all processes at the larger size.
        largest_bytes: Median of the memory of the largest process at the larger size.
    """

    seconds: dict[int, Spread]
    microseconds_per_event: float
    cpu_microseconds_per_event: float
    startup_seconds: float
    startup_cpu_seconds: float
    times_as_fast: float
    times_as_fast_per_event: float | None
    times_as_little_cpu: float | None
    total_bytes: int
    largest_bytes: int


def figures_of(runs: Mapping[int, Sequence[Usage]], first: Figures | None = None) -> Figures:
    """Computes the figures of a contender.

    Args:
        runs: The usage of each round, by the number of events, for two sizes.
        first: The figures of the first contender; None for the first contender itself.
    """
    small, large = min(runs), max(runs)
    seconds = {count: _spread([each.seconds for each in runs[count]]) for count in runs}
    cpu = {count: median(each.cpu_seconds for each in runs[count]) for count in runs}
    whole = seconds[large].median
    micros = (whole - seconds[small].median) / (large - small) * 1e6
    cpu_micros = (cpu[large] - cpu[small]) / (large - small) * 1e6
    return Figures(
        seconds=seconds,
        microseconds_per_event=micros,
        cpu_microseconds_per_event=cpu_micros,
        startup_seconds=whole - micros * large / 1e6,
        startup_cpu_seconds=cpu[large] - cpu_micros * large / 1e6,
        times_as_fast=(whole if first is None else first.seconds[large].median) / whole,
        times_as_fast_per_event=_ratio(
            micros if first is None else first.microseconds_per_event, micros
        ),
        times_as_little_cpu=_ratio(
            cpu_micros if first is None else first.cpu_microseconds_per_event, cpu_micros
        ),
        total_bytes=int(median(each.total_bytes for each in runs[large])),
        largest_bytes=int(median(each.largest_bytes for each in runs[large])),
    )


def _ratio(base: float, value: float) -> float | None:
    return base / value if base > 0 and value > 0 else None


def _spread(values: Sequence[float]) -> Spread:
    return Spread(median(values), min(values), max(values))


def table(
    names: Sequence[tuple[str, str]], figures: Sequence[Figures], output_bytes: Sequence[int]
) -> str:
    """Renders the figures at the larger size as a Markdown table.

    Args:
        names: Letter and title of each contender.
        figures: The figures of each contender.
        output_bytes: The size of the output of each contender.
    """
    rows = [_COLUMNS]
    for (letter, title), each, size in zip(names, figures, output_bytes, strict=True):
        time = each.seconds[max(each.seconds)]
        rows.append(
            (
                f"({letter}) {title}",
                f"{time.median:.2f}",
                f"{time.min:.2f} to {time.max:.2f}",
                f"{each.times_as_fast:.1f}",
                f"{each.microseconds_per_event:.2f}",
                _shown(each.times_as_fast_per_event),
                f"{each.startup_seconds:.2f}",
                f"{each.cpu_microseconds_per_event:.2f}",
                f"{each.startup_cpu_seconds:.2f}",
                _shown(each.times_as_little_cpu),
                f"{each.total_bytes / 1e6:.0f}",
                f"{each.largest_bytes / 1e6:.0f}",
                f"{size / 1e6:.1f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(f"| {' | '.join(cells)} |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, f"| {' | '.join(rule)} |")
    counts = sorted(figures[0].seconds)
    lines.append("")
    lines.append(
        f"{counts[-1]:,} events; cost of an event and start-up from this size and "
        f"{counts[0]:,}. Ratios are to ({names[0][0]})."
    )
    return "\n".join(lines)


def _shown(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1f}"
