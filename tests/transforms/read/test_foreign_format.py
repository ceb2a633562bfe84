"""Files that are not JSON are recognised by their first bytes, and JSON never is one of them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.read.foreign_format import foreign_format

_JOB = '{"id":"1","job_status":{"source_value":"open"}}\n'


def _parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ["1"]}), sink)
    return sink.getvalue()


def _avro() -> bytes:
    sink = io.BytesIO()
    fastavro.writer(sink, {"type": "record", "name": "R", "fields": []}, [{}])
    return sink.getvalue()


def _zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("jobs.jsonl", _JOB)
    return sink.getvalue()


def _tar(archive_format: int) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=archive_format) as archive:
        member = tarfile.TarInfo("jobs.jsonl")
        member.size = len(_JOB)
        archive.addfile(member, io.BytesIO(_JOB.encode()))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("head", "named"),
    [
        (_zip(), "a zip archive"),
        (_tar(tarfile.GNU_FORMAT), "a tar archive"),
        (_tar(tarfile.PAX_FORMAT), "a tar archive"),
        (_parquet(), "a Parquet file"),
        (_avro(), "an Avro file"),
        (b"ORC\x0a", "an ORC file"),
        (b"\x04\x22\x4d\x18\x64\x40\xa7", "lz4"),
        (b"\x1f\x9d\x90\x7b\x44", "uncompress"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
        *(
            (_JOB.encode(encoding), f"UTF-{encoding[4:6]}")
            for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")
        ),
        (b"id,status\n1,open\n2,closed\n", "a CSV file"),
        (b"\xef\xbb\xbfid;status\r\n1;open\r\n", "a CSV file"),
        (b"job_id\tstatus\n1\topen\n2\tclo", "a CSV file"),
        (b'id,"raw status"\n1,"{""id"":1}"\n', "a CSV file"),
        (b"id,status,updated_at\n", "a CSV file"),
    ],
)
def test_a_file_of_another_format_is_recognised(head: bytes, named: str) -> None:
    found = foreign_format(head)
    assert found is not None
    assert named in found


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\n\n",
        b"not,json\n" + _JOB.encode(),
        b"id,status\n" + _JOB.encode() * 2,
        b"open\nclosed\n",
        b"one, two\nthree\nfour\n",
        b"1,2\n3,4\n",
        b"a,a\n1,2\n",
        b"a," * 200_000,
    ],
)
def test_lines_that_may_be_damaged_json_lines_are_not_recognised(head: bytes) -> None:
    assert foreign_format(head) is None


@given(st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=9)), min_size=1, max_size=3))
def test_json_is_never_another_format(events: list[dict[str, str]]) -> None:
    for text in (json.dumps(events), "\n".join(map(json.dumps, events))):
        assert foreign_format(text.encode()) is None
