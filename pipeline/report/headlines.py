"""Finds what matters most about a run: most of its events went wrong, or more than before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.options import RunOptions
from pipeline.report.text import counted, share_text
from schemas.manifest import Manifest

NO_ID: Final = "it is read from id, record_id"
NO_STATUS: Final = "it is read from job_status, status"
_NO_RULE: Final = "a mapping file adds rules"

_REASONS: Final = {
    "INVALID_JSON": "the input may not be JSON",
    "INVALID_UTF8": "the input may not be UTF-8",
    "NOT_AN_EVENT": "the input may not hold events, jobs or pages of jobs",
    "WRONG_TYPE": "a field may have another type than expected",
    "TOO_LARGE": "--max_event_bytes may be too low",
    "INTERNAL": "this is a fault of job-status",
}
"""The likely reason why most events have an error code."""


def headlines(report: Manifest, options: RunOptions) -> Iterator[str]:
    """Yields a line for each thing that is wrong with half of the events, or that has doubled."""
    read, written, letters = report.read, report.written, report.dead_lettered
    if not read and report.skipped_inputs:
        yield f"nothing was read: {counted(report.skipped_inputs, 'file')} skipped, no other found"
    elif not read:
        yield "nothing was read: the input has no events"
    elif not written and not letters:
        types = " ".join(options.event_types)
        yield f"nothing was written: --event_types {types} matches none of {counted(read, 'event')}"
    elif not written:
        yield f"nothing was written: {_dead_letters(report, read)}"
    else:
        if letters >= written:
            yield _dead_letters(report, written + letters)
        yield from _missing(report)
    yield from _doubled(report)


def _doubled(report: Manifest) -> Iterator[str]:
    if report.run_before is not None:
        for each in report.run_before.shares:
            if each.doubled:
                now, before = share_text(each.now), share_text(each.before)
                yield f"{now} of the events are {each.name}, {before} were in the run before"


def _missing(report: Manifest) -> Iterator[str]:
    written, jobs = report.written, report.by_record_type.get("job", 0)
    without_id, without_status = report.without_job_id, report.by_derivation.get("absent", 0)
    if without_id == jobs and without_status == written:
        yield (
            f"neither an id nor a status in {_of(written, written)}: their fields may have other "
            "names than those that are read: id, record_id; job_status, status"
        )
        return
    for what, count, of, reason in (
        ("no job id", without_id, jobs, NO_ID),
        ("no status", without_status, written, NO_STATUS),
        ("no rule for the status", report.by_derivation.get("unmapped", 0), written, _NO_RULE),
    ):
        if count and count * 2 >= of:
            yield f"{what} in {_of(count, of)}: {reason}"


def _dead_letters(report: Manifest, of: int) -> str:
    letters = report.dead_lettered
    text = f"{_of(letters, of)} became {'a dead letter' if letters == 1 else 'dead letters'}"
    code = max(report.by_error_code, key=lambda each: report.by_error_code[each], default=None)
    if code is None:
        return text
    count = report.by_error_code[code]
    share = f"{count:,} of them " if count < letters else "all of them " if letters > 1 else ""
    reason = _REASONS.get(code)
    return f"{text}, {share}{code}" + (f": {reason}" if reason else "")


def _of(count: int, of: int) -> str:
    return f"{count:,} of {counted(of, 'event')}"
