"""What to do after a run, where something needs it: a line each, and a command to paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.options import RunOptions
from pipeline.report.text import counted, printable
from schemas.manifest import Manifest
from transforms.storage import manifest_path

_LARGER = 10
"""How many times the limit is raised that something was too large for."""

_ROWS = 100
"""Rows to look through for a time that is missing."""


@dataclass(frozen=True)
class NextStep:
    """Something to do.

    Attributes:
        text: What for.
        command: Words of a command line, or none where no command would do.
        target: A file that takes what the command prints, or None.
    """

    text: str
    command: Sequence[str] = ()
    target: str | None = None


def next_steps(report: Manifest, options: RunOptions) -> list[NextStep]:
    """What a run leaves to do, the most pressing first.

    Args:
        report: Of the run.
        options: Of the run.
    """
    steps = (
        _damaged(report, options),
        _dead_letters(report, options),
        _too_large(report, options),
        _unmapped(report, options),
        _timestamps(report, options),
    )
    return [step for step in steps if step is not None]


def _damaged(report: Manifest, options: RunOptions) -> NextStep | None:
    damaged = [each.path for each in report.inputs if each.damaged]
    if not damaged:
        return None
    named = f"{counted(len(damaged), 'input')} damaged (the first: {printable(damaged[0])})"
    again = "over them" if options.write_mode == "append" else "with --write_mode overwrite"
    return NextStep(f"{named}; mend them, then run again {again}")


def _dead_letters(report: Manifest, options: RunOptions) -> NextStep | None:
    if not report.dead_lettered:
        return None
    text = f"{counted(report.dead_lettered, 'dead letter')}: see what is wrong with each"
    return NextStep(text, ("job-status", "dead-letters", options.output))


def _too_large(report: Manifest, options: RunOptions) -> NextStep | None:
    count = report.by_error_code.get("TOO_LARGE", 0)
    # Only a source that is still there can give the rest of a payload that was cut.
    if not count or options.reads_messages or options.dead_letter_payload == "none":
        return None
    limit = str(options.max_event_bytes * _LARGER)
    words = ["job-status", "replay", options.output, "--output", options.output]
    words += ["--max_event_bytes", limit]
    if options.mapping is not None:
        words += ["--mapping", options.mapping]
    if options.dead_letter_output is not None:
        words += ["--dead_letter_output", options.dead_letter_output]
    if options.event_types != RunOptions().event_types:
        words += ["--event_types", *options.event_types]
    return NextStep(f"{count:,} of them too large: run them again with a higher limit", words)


def _unmapped(report: Manifest, options: RunOptions) -> NextStep | None:
    if not report.unmapped:
        return None
    count = report.by_derivation.get("unmapped", 0)
    what = f"{counted(count, 'event')} without a rule"
    source = options.report
    if source is None or not source.lower().endswith(".json"):
        if options.reads_messages:
            return NextStep(f"{what}: with --report FILE.json, they are listed")
        source = manifest_path(options.output, report.run_id)
    return NextStep(
        f"{what}: fill in a mapping file, then run again with --mapping",
        ("job-status", "mapping", "suggest", source),
        "my_mapping.yaml",
    )


def _timestamps(report: Manifest, options: RunOptions) -> NextStep | None:
    if not report.unreadable_timestamps:
        return None
    what = counted(report.unreadable_timestamps, "timestamp")
    return NextStep(
        f"{what} not readable, and null: they need RFC 3339 with an offset",
        ("job-status", "inspect", options.output, "--rows", str(_ROWS)),
    )
