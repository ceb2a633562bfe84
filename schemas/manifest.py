"""The manifest of a run, which lists what was committed. The report has the same keys."""

from __future__ import annotations

from collections import Counter

import msgspec
from msgspec import Struct, field

from schemas.counts import MAX_PROVIDERS, BalanceCheck, Counts, Tallies, add_counts, balance


class Unmapped(Struct):
    """A source value that no rule maps, and its count."""

    provider: str | None
    source_value: str
    count: int


_MOST_UNMAPPED = 100


def _added(mine: list[Unmapped], theirs: list[Unmapped]) -> list[Unmapped]:
    counts: Counter[tuple[str | None, str]] = Counter()
    for row in [*mine, *theirs]:
        counts[row.provider, row.source_value] += row.count
    # Rows of equal count are sorted by their texts, so that the order of commits has no effect.
    rows = sorted(
        counts.items(), key=lambda row: (-row[1], row[0][0] or "", row[0][1], row[0][0] is not None)
    )
    return [Unmapped(*key, count) for key, count in rows[:_MOST_UNMAPPED]]


class Input(Struct, gc=False):
    """An input.

    Attributes:
        path: Its path.
        bytes: Its size before decompression.
        damaged: Whether it was truncated or corrupt.
        modified_ns: Time of its last change when it was matched, in nanoseconds since 1970; None if
            it is not known. Its size and this time identify the state that was read.
    """

    path: str
    bytes: int
    damaged: bool = False
    modified_ns: int | None = None


class ShareChange(Struct):
    """A share of the events, from 0 to 1, in the run before and in this one.

    Attributes:
        name: `unmapped`, a share of the written events; or an error code of dead letters, a share
            of the written and dead-lettered events.
        before: The share in the run before.
        now: The share in this run.
        doubled: Whether at least ten events have it and it is at least twice as large as before.
    """

    name: str
    before: float
    now: float
    doubled: bool


class RunBefore(Struct):
    """The run that was committed to the same output before, and the shares that both have."""

    run_id: str
    committed_at: str
    read: int
    written: int
    dead_lettered: int
    shares: list[ShareChange]


class OutputFile(Struct):
    """A committed file.

    Attributes:
        path: Relative to the output in a manifest, and absolute in a report. Absolute in both if
            the file is outside the output.
        records: Number of records.
        bytes: Size.
        sha256: Hex digest of the whole file.
        output: job_status or dead_letter.
    """

    path: str
    records: int
    bytes: int
    sha256: str
    output: str


class CompactedRun(Struct):
    """A run whose manifest a compaction has replaced. A run with this id is committed already.

    The fields are those of its manifest.
    """

    run_id: str
    committed_at: str
    read: int
    written: int
    dead_lettered: int
    ignored: int
    patterns: list[str]


class Compaction(Struct):
    """The facts that only the manifest of a compaction has.

    Attributes:
        partition_by: day or none.
        newest: The newest `committed_at` of the manifests that it replaces. By this time, its
            records are ordered among those of later runs.
        runs: The runs of the replaced manifests, without the panes of streams.
    """

    partition_by: str
    newest: str
    runs: list[CompactedRun]


class Manifest(Tallies, kw_only=True):
    """The result of a run. Its counts balance: `read = written + dead_lettered + ignored`.

    In the manifest of a compaction, `read` is the sum of the replaced manifests. `duplicates` and
    `deleted` are further outcomes.

    Attributes:
        run_id: Identifies the run in its output.
        conserved: True if the counts balance and every byte of every input was read once.
        unmapped: The most frequent source values that no rule maps.
        inputs: The files that were read.
        skipped_inputs: Inputs that earlier runs had read, and that this one skipped.
        changed_inputs: Inputs that have changed since earlier runs read them; read again.
        providers_without_table: Written events of providers that the mapping does not know.
        files: The committed files.
        duration_seconds: From the start of the run to its commit.
        events_per_second: Read events by second.
        pipeline_version: Version of job-status.
        schema_version: Version of the records.
        schema_fingerprint: 16 hex digits over the schema of the records.
        mapping_fingerprint: 16 hex digits over the rules in force.
        accounts_fingerprint: Digest of the file of accounts; "" without one.
        mapping_files: The user's mapping files as given, in the order in which later ones win.
        patterns: The patterns of the files that were to be read, or the subscription or topic.
        committed_at: RFC 3339, UTC.
        replaces: Paths of the manifests that this run replaces, in the form of file paths. These
            manifests and their files are removed before the intent of this run is. Readers ignore
            them while this manifest and the intent exist.
        consumed: Dead letter files that a replay has run again, in the form of file paths.
        oldest_message: Publish time of the oldest message of a drain or a stream, RFC 3339, UTC; ""
            for files.
        blocks: Digests of the pulled blocks in a pane. A job that is restored from an older
            checkpoint holds blocks that are committed; it does not commit them again.
        compaction: None for other runs.
        run_before: In reports only, except those of replays.

    Examples:
        >>> from schemas import Manifest
        >>> text = b'{"run_id": "nightly", "read": 3, "written": 2, "ignored": 1}'
        >>> manifest = Manifest.from_json(text)
        >>> manifest.read == manifest.written + manifest.dead_lettered + manifest.ignored
        True
    """

    run_id: str
    conserved: bool = True
    unmapped: list[Unmapped] = field(default_factory=list)
    providers_without_table: Counts = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)
    skipped_inputs: int = 0
    changed_inputs: int = 0
    files: list[OutputFile] = field(default_factory=list)
    duration_seconds: float = 0.0
    events_per_second: int = 0
    pipeline_version: str = ""
    schema_version: int = 0
    schema_fingerprint: str = ""
    mapping_fingerprint: str = ""
    accounts_fingerprint: str = ""
    mapping_files: list[str] = field(default_factory=list)
    patterns: list[str] = field(default_factory=list)
    committed_at: str = ""
    replaces: list[str] = field(default_factory=list)
    consumed: list[str] = field(default_factory=list)
    oldest_message: str = ""
    blocks: list[str] = field(default_factory=list)
    compaction: Compaction | None = None
    run_before: RunBefore | None = None

    def records_in(self, output: str) -> int:
        """Returns the records in the files of an output, job_status or dead_letter."""
        return sum(file.records for file in self.files if file.output == output)

    def balance(self) -> list[BalanceCheck]:
        """Returns every check that the counts must pass."""
        return balance(self, self.records_in("job_status"), self.records_in("dead_letter"))

    def add(self, other: Manifest) -> None:
        """Adds another commit of the same run, except its duration."""
        self.add_tallies(other)
        self.conserved = self.conserved and other.conserved
        self.unmapped = _added(self.unmapped, other.unmapped)
        add_counts(self.providers_without_table, other.providers_without_table, MAX_PROVIDERS)
        self.files += other.files
        known = [each for each in (self.oldest_message, other.oldest_message) if each]
        self.oldest_message = min(known, default="")

    def to_json(self) -> bytes:
        """Returns indented JSON text with a line end; `run_id` is the first key."""
        fields = {"run_id": self.run_id, **msgspec.structs.asdict(self)}
        return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"

    @staticmethod
    def from_json(text: bytes) -> Manifest:
        """Parses a manifest.

        Raises:
            msgspec.DecodeError: The text is not a manifest.
        """
        return msgspec.json.decode(text, type=Manifest)
