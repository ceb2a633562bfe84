"""Suggests what to do after a run, with commands to paste."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.options import RunOptions, option_words
from pipeline.report.text import counted, printable
from schemas.counts import NO_NAME
from schemas.manifest import Manifest
from transforms.storage import manifest_path

_MAX_SHAPES = 3
_DECIDING = ("mapping", "accounts", "dead_letter_output", "assume_timezone", "event_types")
"""Options that a replay needs again to give the same records in the same places."""

_WITHOUT_OFFSET = re.compile(r" 9999-99-99[a ]99:99:99(\.9+)?$")


@dataclass(frozen=True)
class NextStep:
    """A reason to do something, and the words of a command for it, if there is one.

    `target` is the file to which to redirect the output of the command, or None.
    """

    text: str
    command: Sequence[str] = ()
    target: str | None = None


def next_steps(report: Manifest, options: RunOptions) -> Iterator[NextStep]:
    """Yields what to do after a run, the most urgent first."""
    damaged = [each.path for each in report.inputs if each.damaged]
    if damaged:
        text = f"{counted(len(damaged), 'input')} damaged (the first: {printable(damaged[0])})"
        again = "over them" if options.write_mode == "append" else "with --write_mode overwrite"
        yield NextStep(f"{text}; repair them, then run again {again}")
    if report.dead_lettered:
        text = f"{counted(report.dead_lettered, 'dead letter')}: see what is wrong with each"
        yield NextStep(text, ("job-status", "dead-letters", options.output))
    too_large = report.by_error_code.get("TOO_LARGE", 0)
    # The rest of a truncated payload can only be read from a file of the input.
    if too_large and not options.reads_messages and options.dead_letter_payload != "none":
        text = f"{too_large:,} of them too large: run them again with a higher limit"
        yield NextStep(text, _replay_with_higher_limit(report.largest_payload, options))
    if report.unmapped:
        yield _unmapped(report, options)
    yield from _providers(report)
    if report.unreadable_timestamps:
        yield _unreadable(report, options)


def _replay_with_higher_limit(largest_payload: int, options: RunOptions) -> list[str]:
    words = ["job-status", "replay", options.output, "--output", options.output]
    unit = 10 ** (len(str(largest_payload)) - 1)
    words += ["--max_event_bytes", str(-(-largest_payload // unit) * unit)]
    return words + option_words(options, _DECIDING)


def _providers(report: Manifest) -> Iterator[NextStep]:
    accounts = report.accounts_without_provider
    without_account = accounts.get(NO_NAME, 0)
    without_provider = sum(accounts.values()) - without_account
    if without_provider:
        text = f"{counted(without_provider, 'event')} with an account, but without a provider"
        yield NextStep(f"{text}: add --accounts FILE, or its missing accounts")
    if without_account:
        text = f"{counted(without_account, 'event')} with neither a provider nor an account"
        yield NextStep(f"{text}: if all are of one provider, add --provider NAME")
    if report.providers_without_table:
        count = counted(len(report.providers_without_table), "provider")
        yield NextStep(
            f"{count} without a table: add other names of a known one to its `names:` in --mapping",
            ("job-status", "mapping", "print"),
        )


def _unreadable(report: Manifest, options: RunOptions) -> NextStep:
    text = f"{counted(report.unreadable_timestamps, 'timestamp')} not readable, and null"
    shapes = [
        (count, f"{name} {shape}")
        for name, counts in report.unreadable_by_field.items()
        for shape, count in counts.items()
    ]
    shapes.sort(reverse=True)
    shown = ", ".join(f"{shape} ({count:,})" for count, shape in shapes[:_MAX_SHAPES])
    text += f", such as {shown}: they need RFC 3339 with an offset"
    if any(_WITHOUT_OFFSET.search(shape) for _, shape in shapes):
        text += ", or --assume_timezone"
    return NextStep(text, ("job-status", "inspect", options.output, "--rows", "100"))


def _unmapped(report: Manifest, options: RunOptions) -> NextStep:
    text = f"{counted(report.by_derivation.get('unmapped', 0), 'event')} without a rule"
    source = options.report
    if source is None or not source.lower().endswith(".json"):
        if options.reads_messages:
            return NextStep(f"{text}: --report FILE.json lists them")
        source = manifest_path(options.output, report.run_id)
    # The shell would truncate a file of --mapping before the command reads it.
    given = {os.path.basename(path) for path in options.mapping}
    names = ("my_mapping.yaml", *(f"my_mapping_{number}.yaml" for number in range(2, 99)))
    return NextStep(
        f"{text}: fill in a mapping file, then run again with --mapping",
        ("job-status", "mapping", "suggest", source, *option_words(options, ("mapping",))),
        next((name for name in names if name not in given), None),
    )
