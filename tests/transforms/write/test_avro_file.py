"""Every Avro reader can read the files of the sink, and their metadata identify them."""

from __future__ import annotations

import errno
import hashlib
import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import fastavro
import pytest
from avro.datafile import DataFileReader
from avro.io import DatumReader

from schemas.avro import Codec, RecordName, record_schema
from schemas.errors import OutputError
from schemas.version import PIPELINE_VERSION
from tests.transforms.runs import encoded, lines, settings
from transforms.blocks.block import AvroBlock, EncodedBlock
from transforms.blocks.ledger import StagedFile
from transforms.storage import filesystem
from transforms.write.avro_file import AvroFile
from transforms.write.settings import CommitSettings


def _write(
    path: Path, codec: Codec = "deflate", output: RecordName = "job_status_event"
) -> StagedFile:
    run = CommitSettings(str(path.parent), "run-1", "0123456789abcdef", codec=codec)
    file = AvroFile(output, str(path), run)
    for block in encoded(tuple(lines(0, 5, bad=3)), codec):
        part = _part(block, output)
        if part is not None:
            file.append(part)
    return file.close()


def _part(block: EncodedBlock, output: RecordName) -> AvroBlock | None:
    return block.records if output == "job_status_event" else block.dead_letters


def _read(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        return [record for record in fastavro.reader(file) if isinstance(record, dict)]


@pytest.mark.parametrize("codec", ["deflate", "null"])
@pytest.mark.parametrize(("output", "records"), [("job_status_event", 5), ("dead_letter", 3)])
def test_blocks_can_be_read_and_are_counted(
    tmp_path: Path, codec: Codec, output: RecordName, records: int
) -> None:
    path = tmp_path / "a.avro"
    staged = _write(path, codec, output)
    data = path.read_bytes()
    assert staged == StagedFile(
        output, str(path), records, len(data), hashlib.sha256(data).hexdigest()
    )
    assert len(_read(path)) == records


def test_the_records_are_those_of_the_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    _write(path)
    schema = fastavro.parse_schema(record_schema("job_status_event").parsed)
    written = []
    for block in encoded(tuple(lines(0, 5, bad=3)), "null"):
        if block.records is not None:
            stream = io.BytesIO(block.records.data)
            written += [
                fastavro.schemaless_reader(stream, schema, None) for _ in range(block.records.count)
            ]
            assert stream.read() == b""
    assert _read(path) == written


RECORDS: tuple[RecordName, ...] = ("job_status_event", "dead_letter")


@pytest.mark.parametrize("codec", ["deflate", "null"])
def test_the_metadata_identify_schema_run_and_mapping(tmp_path: Path, codec: Codec) -> None:
    for output in RECORDS:
        path = tmp_path / f"{output}.avro"
        _write(path, codec, output)
        schema = record_schema(output)
        with path.open("rb") as file:
            reader = fastavro.reader(file)
            metadata = {
                name: value
                for name, value in reader.metadata.items()
                if not name.startswith("avro.")
            }
            assert metadata == {
                "job_status.schema_version": str(schema.version),
                "job_status.schema_fingerprint": schema.fingerprint,
                "job_status.pipeline_version": PIPELINE_VERSION,
                "job_status.run_id": "run-1",
                "job_status.mapping_fingerprint": "0123456789abcdef",
            }
            assert reader.codec == codec
            # The docs are kept for readers that have only the file.
            fields = json.loads(reader.metadata["avro.schema"])["fields"]
            assert [each["doc"] for each in fields] == [
                each["doc"] for each in schema.parsed["fields"]
            ]


def test_a_file_without_blocks_is_valid_and_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.avro"
    staged = AvroFile("job_status_event", str(path), settings(str(tmp_path), "run")).close()
    assert _read(path) == []
    assert (staged.records, staged.bytes) == (0, path.stat().st_size)


@pytest.mark.parametrize("codec", ["deflate", "null"])
@pytest.mark.parametrize("output", ["job_status_event", "dead_letter"])
def test_apache_avro_reads_the_same(tmp_path: Path, codec: Codec, output: RecordName) -> None:
    path = tmp_path / "a.avro"
    _write(path, codec, output)
    with path.open("rb") as file, DataFileReader(file, DatumReader()) as reader:
        assert list(reader) == _read(path)


@pytest.mark.needs("polars")
@pytest.mark.parametrize("codec", ["deflate", "null"])
@pytest.mark.parametrize("output", ["job_status_event", "dead_letter"])
def test_polars_reads_the_same(tmp_path: Path, codec: Codec, output: RecordName) -> None:
    import polars

    path = tmp_path / "a.avro"
    _write(path, codec, output)
    rows = polars.read_avro(path).to_dicts()
    # Timestamps in Polars have no zone; the records of this test hold none.
    assert rows == _read(path)


def test_missing_directories_are_created(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.avro"
    _write(path)
    assert len(_read(path)) == 5


def test_a_file_that_cannot_be_created_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with pytest.raises(OutputError, match=r"cannot write .*/plain/a\.avro: (File|Not)"):
        _write(tmp_path / "plain" / "a.avro")


class _FullDisk(io.BytesIO):
    """A file on a disk with room for some bytes only."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("room", [0, 5000, 1 << 20])
def test_a_full_disk_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    def create(_: str) -> BinaryIO:
        return _FullDisk(room)

    monkeypatch.setattr(filesystem, "create", create)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        _write(tmp_path / "a.avro")
    assert str(tmp_path / "a.avro") in caught.value.message
    assert caught.value.hint is not None
