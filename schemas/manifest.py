"""The manifest of a run: what was committed. Its keys are also those of the report."""

from __future__ import annotations

from collections import Counter

import msgspec
from msgspec import Struct, field

from schemas.counts import Counts, add_tallies


class Unmapped(Struct):
    """A source text that no rule maps, and how often it came."""

    provider: str | None
    source_value: str
    count: int


_MOST_UNMAPPED = 100


def _added(mine: list[Unmapped], theirs: list[Unmapped]) -> list[Unmapped]:
    counts: Counter[tuple[str | None, str]] = Counter()
    for row in [*mine, *theirs]:
        counts[row.provider, row.source_value] += row.count
    # Those of one count by provider and text: the same whichever commit came first.
    rows = sorted(
        counts.items(), key=lambda row: (-row[1], row[0][0] or "", row[0][1], row[0][0] is not None)
    )
    return [Unmapped(*key, count) for key, count in rows[:_MOST_UNMAPPED]]


class Input(Struct):
    """An input, its size as it lies there, and whether it was cut off or corrupt."""

    path: str
    bytes: int
    damaged: bool = False


class OutputFile(Struct):
    """A committed file.

    Attributes:
        path: Relative to the output in a manifest, in full in a report; in full in both where it
            lies outside the output.
        records: How many are in it.
        bytes: Its size.
        sha256: Hex digest of all of it.
        output: job_status or dead_letter.
    """

    path: str
    records: int
    bytes: int
    sha256: str
    output: str


class Manifest(Struct, kw_only=True):
    """What a run did. Counts are of events; `read = written + dead_lettered + ignored`.

    Attributes:
        by_provider: Written ones by provider, then by their value; `null` for none.
        by_day: Written ones by the day of their time, in UTC; `null` for none.
        committed_at: RFC 3339, UTC.
        replaces: Paths of the manifests that this run took the place of, as those of files. They
            and their files go before the intent of this run; while it is there, readers leave
            them out.
        consumed: Dead letter files that a replay has run again, as the paths of files.
    """

    run_id: str
    read: int = 0
    written: int = 0
    dead_lettered: int = 0
    ignored: int = 0
    conserved: bool = True
    by_value: dict[str, int] = field(default_factory=dict)
    by_source_value_type: dict[str, int] = field(default_factory=dict)
    by_derivation: dict[str, int] = field(default_factory=dict)
    by_provider: dict[str, Counts] = field(default_factory=dict)
    by_day: dict[str, int] = field(default_factory=dict)
    by_error_code: dict[str, int] = field(default_factory=dict)
    ignored_by_type: dict[str, int] = field(default_factory=dict)
    unmapped: list[Unmapped] = field(default_factory=list)
    unreadable_timestamps: int = 0
    inputs: list[Input] = field(default_factory=list)
    files: list[OutputFile] = field(default_factory=list)
    duration_seconds: float = 0.0
    events_per_second: int = 0
    pipeline_version: str = ""
    schema_version: int = 0
    schema_fingerprint: str = ""
    mapping_fingerprint: str = ""
    committed_at: str = ""
    replaces: list[str] = field(default_factory=list)
    consumed: list[str] = field(default_factory=list)

    def add(self, other: Manifest) -> None:
        """Adds what another commit of the same run did; the time it took is the run's to say."""
        add_tallies(self, other)
        self.ignored += other.ignored
        self.conserved = self.conserved and other.conserved
        self.unmapped = _added(self.unmapped, other.unmapped)
        self.files += other.files

    def to_json(self) -> bytes:
        """As indented JSON text with a line end."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @staticmethod
    def from_json(text: bytes) -> Manifest:
        """Reads a manifest.

        Raises:
            msgspec.DecodeError: It is none.
        """
        return msgspec.json.decode(text, type=Manifest)
