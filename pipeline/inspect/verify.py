"""Looks into Avro files of an output and compares them with what the manifests say of them.

A file that was cut exactly between two blocks is a sound Avro file: only a manifest tells that
records are missing. So every byte is read once, for its digest, its blocks and its counts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import fastavro

from schemas.errors import JobStatusError
from schemas.manifest import Manifest, OutputFile
from transforms.storage import filesystem

_CHUNK_BYTES = 1 << 20
_METADATA = "job_status."

_STATUS_PROJECTION: dict[str, Any] = {
    "type": "record",
    "name": "job_status.JobStatusEvent",
    "fields": [
        {"name": "provider", "type": ["null", "string"], "default": None},
        {
            "name": "job_status",
            "type": {
                "type": "record",
                "name": "job_status.JobStatus",
                "fields": [{"name": "value", "type": ["null", "string"], "default": None}],
            },
        },
    ],
}
_LETTER_PROJECTION: dict[str, Any] = {
    "type": "record",
    "name": "job_status.DeadLetter",
    "fields": [
        {"name": "provider", "type": ["null", "string"], "default": None},
        {"name": "error_code", "type": "string"},
    ],
}
_PROJECTIONS = {
    projection["name"]: fastavro.parse_schema(projection)
    for projection in (_STATUS_PROJECTION, _LETTER_PROJECTION)
}
"""The fields that are counted; decoding the others would take most of the time."""


@dataclass
class Content:
    """What is in a file.

    Attributes:
        path: The file.
        size: In bytes.
        sha256: Hex digest of all of it.
        schema: Full name of the record, or "" where the header cannot be read.
        codec: Of the blocks.
        metadata: Ours, without the prefix: schema_version, run_id and so on.
        records: How many can be read, up to the first damage.
        blocks: How many blocks they are in.
        damage: What is wrong with the file as an Avro file, or None.
        by_value: Records by their status, `null` for none.
        by_provider: Records by provider, `null` for none.
        by_error_code: Dead letters by code.
    """

    path: str
    size: int = 0
    sha256: str = ""
    schema: str = ""
    codec: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    records: int = 0
    blocks: int = 0
    damage: str | None = None
    by_value: Counter[str] = field(default_factory=Counter)
    by_provider: Counter[str] = field(default_factory=Counter)
    by_error_code: Counter[str] = field(default_factory=Counter)


class Finding(NamedTuple):
    """Something that is not as it was committed.

    Attributes:
        path: The file.
        problem: What is wrong with it, without its path.
        missing: Records that were committed and cannot be read from it; None where nothing says
            how many there were.
    """

    path: str
    problem: str
    missing: int | None = None


class _Digested:
    """A file that keeps the digest of what was read and never reads beyond its size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._position = 0

    def read(self, count: int) -> bytes:
        if count < 0:
            raise ValueError("a negative length")
        # A damaged length may be anything; what is asked for here is never more than there is.
        pieces = []
        while count > 0:
            piece = self._file.read(min(count, _CHUNK_BYTES))
            if not piece:
                break
            self._digest.update(piece)
            pieces.append(piece)
            count -= len(piece)
            self._position += len(piece)
        return b"".join(pieces)

    def tell(self) -> int:
        return self._position

    def finish(self) -> tuple[int, str]:
        """Reads the rest and gives the size and the digest of all of it."""
        while self.read(_CHUNK_BYTES):
            pass
        return self._position, self._digest.hexdigest()


def content_of(path: str) -> Content:
    """Reads a file to its end, or to where it is damaged.

    Raises:
        InputError: It cannot be opened.
    """
    content = Content(path)
    with filesystem.open_for_reading(path) as raw:
        file = _Digested(raw)
        end: int | None = None
        # Damage makes decoders raise whatever the bytes happen to mean to them.
        with suppress(Exception):
            end = _count_blocks(file, content)
        position = file.tell()
        try:
            content.size, content.sha256 = file.finish()
        except filesystem.storage_errors() as error:
            content.damage = f"cannot be read: {filesystem.error_text(error)}"
            return content
    if end != content.size:
        content.damage = _damage(content, is_cut=position == content.size)
    return content


def _count_blocks(file: Any, content: Content) -> int:
    """Takes down what the blocks hold and gives the offset behind the last sound one."""
    blocks: Any = fastavro.block_reader(file)
    schema = blocks.writer_schema
    content.schema = schema.get("name", "") if isinstance(schema, dict) else str(schema)
    content.codec = blocks.metadata.get("avro.codec", "null")
    content.metadata = {
        name.removeprefix(_METADATA): value
        for name, value in blocks.metadata.items()
        if name.startswith(_METADATA)
    }
    end = file.tell()
    projection = _PROJECTIONS.get(content.schema)
    for block in blocks:
        if projection is not None:
            block.reader_schema = projection
        _count(content, list(block))
        content.records += block.num_records
        content.blocks += 1
        end = file.tell()
    return int(end)


def _count(content: Content, records: list[Any]) -> None:
    """Counts a block only once all of it could be decoded."""
    if content.schema not in _PROJECTIONS:
        return
    content.by_provider.update(_name(record["provider"]) for record in records)
    if content.schema == _LETTER_PROJECTION["name"]:
        content.by_error_code.update(record["error_code"] for record in records)
    else:
        content.by_value.update(_name(record["job_status"]["value"]) for record in records)


def _name(value: str | None) -> str:
    return "null" if value is None else value


def _damage(content: Content, is_cut: bool) -> str:
    if not content.schema:
        return "has no header of an Avro file that can be read"
    where = f"behind {_records_of(content.records)}"
    return f"is cut in the middle of a block, {where}" if is_cut else f"is overwritten {where}"


def first_rows(path: str, count: int) -> list[dict[str, Any]]:
    """The first records of a file, as many of them as can be read."""
    rows: list[dict[str, Any]] = []
    try:
        with filesystem.open_for_reading(path) as file:
            for record in islice(_records(file), count):
                rows.append(record)
    except Exception:
        # What is wrong with the file is told by `content_of`.
        return rows
    return rows


def _records(file: BinaryIO) -> Iterator[dict[str, Any]]:
    for record in fastavro.reader(file):
        yield record if isinstance(record, dict) else {"record": record}


def compare(
    committed: Iterable[tuple[str, OutputFile]], found: dict[str, Content]
) -> list[Finding]:
    """Compares files with what their manifests say of them.

    Args:
        committed: Files in full paths with their entries in the manifests.
        found: What was read, by path; a file that is not there is missing here too.
    """
    committed = list(committed)
    owners = {file.sha256: path for path, file in committed}
    findings = []
    for path, file in committed:
        content = found.get(path)
        if content is None:
            problem = f"is not there; {_records_of(file.records)} were committed in it"
            findings.append(Finding(path, problem, file.records))
        elif content.sha256 != file.sha256 or content.size != file.bytes:
            problem = _difference(path, file, content, owners.get(content.sha256))
            missing = max(file.records - content.records, 0)
            if content.sha256 in owners:
                missing = file.records
            findings.append(Finding(path, problem, missing))
        elif content.damage is not None or content.records != file.records:
            # The bytes are those that were committed: the manifest or the writer was wrong.
            problem = (
                f"holds {_records_of(content.records)} where its manifest says {file.records:,}"
            )
            findings.append(Finding(path, problem, max(file.records - content.records, 0)))
    return findings


def _difference(path: str, file: OutputFile, content: Content, owner: str | None) -> str:
    if owner is not None and owner != path:
        return f"was swapped: it holds what was committed as {owner}"
    missing = file.records - content.records
    if content.damage is not None:
        return f"{content.damage}; {missing:,} of {file.records:,} records are missing"
    if missing > 0:
        return (
            f"is cut between two blocks: {missing:,} of {file.records:,} records are missing, "
            "and readers don't notice"
        )
    if content.size != file.bytes:
        return f"has {content.size:,} bytes, but {file.bytes:,} were committed"
    return "holds other bytes than were committed, though as many"


def _records_of(count: int) -> str:
    return f"{count:,} record" + ("" if count == 1 else "s")


def check_counts(manifest: Manifest, contents: list[Content]) -> list[Finding]:
    """Compares the counts of a run with what its files hold; all of them have to be sound."""
    findings = []
    values: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    for content in contents:
        values.update(content.by_value)
        codes.update(content.by_error_code)
    name = f"the manifest of run {manifest.run_id}"
    for what, said, counted in (
        ("by_value", manifest.by_value, values),
        ("by_error_code", manifest.by_error_code, codes),
    ):
        if Counter(said) != counted:
            findings.append(Finding(name, f"counts other records in {what} than its files hold"))
    for what, number, total in (
        ("written", manifest.written, values.total()),
        ("dead_lettered", manifest.dead_lettered, codes.total()),
    ):
        if number != total:
            findings.append(
                Finding(name, f"says {what} {number:,}, but its files hold {_records_of(total)}")
            )
    if not all(check.holds for check in manifest.balance()):
        findings.append(Finding(name, "has counts that do not balance"))
    return findings


def inspection_error(findings: list[Finding]) -> JobStatusError:
    """What a check that found something says at its end."""
    missing = sum(finding.missing or 0 for finding in findings)
    plural = "s" if len(findings) > 1 else ""
    return JobStatusError(
        f"{len(findings)} problem{plural} found, {_records_of(missing)} missing",
        "a damaged file cannot be mended: run the job again into another output",
    )
