"""The books of a report, closed once more by those who read it."""

from __future__ import annotations

from typing import NamedTuple

from schemas.counts import Counts, total
from schemas.manifest import Manifest


class Check(NamedTuple):
    """Two numbers that have to be equal, and what they are."""

    text: str
    expected: int
    found: int

    @property
    def holds(self) -> bool:
        """Whether they are."""
        return self.expected == self.found


def checks(report: Manifest) -> list[Check]:
    """What has to add up in a report."""
    places = report.written + report.dead_lettered + report.ignored
    written, letters = report.written, report.dead_lettered
    return [
        Check("events read, and what became of them", report.read, places),
        Check("written, and records in files", written, _records(report, "job_status")),
        Check("written, by value", written, _sum(report.by_value)),
        Check("written, by provider", written, total(report.by_provider)),
        Check("written, by day", written, _sum(report.by_day)),
        Check("written, by how the value was found", written, _sum(report.by_derivation)),
        Check("written, by type of source value", written, _sum(report.by_source_value_type)),
        Check("dead letters, and records in files", letters, _records(report, "dead_letter")),
        Check("dead letters, by error code", letters, _sum(report.by_error_code)),
        Check("ignored, by type", report.ignored, _sum(report.ignored_by_type)),
    ]


def is_closed(report: Manifest) -> bool:
    """Whether all of it adds up."""
    return report.conserved and all(each.holds for each in checks(report))


def _records(report: Manifest, output: str) -> int:
    return sum(file.records for file in report.files if file.output == output)


def _sum(counts: Counts) -> int:
    return sum(counts.values())
