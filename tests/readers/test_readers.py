"""Independent readers read the same rows, nulls and timestamps from an output."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import fastavro
import pytest
from avro.datafile import DataFileReader
from avro.io import DatumReader

from schemas.avro import RecordName, record_schema
from schemas.compatibility import incompatibilities
from tests.components import component_path
from tests.pipeline.command import run

DOCS = Path(__file__).parents[2] / "docs" / "readers.md"
OUTPUTS: dict[str, RecordName] = {"job_status": "job_status_event", "dead_letter": "dead_letter"}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

Rows = list[dict[str, Any]]


def _plain(value: Any) -> Any:
    """Converts a value to a form that all readers have: times to microseconds, bytes to text."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        since = moment - EPOCH
        return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("latin-1")
    return value


def _counted(rows: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(_plain(row), sort_keys=True) for row in rows)


def _files(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.avro"))


def _with_fastavro(directory: Path) -> Rows:
    rows: Rows = []
    for path in _files(directory):
        with path.open("rb") as file:
            rows += [row for row in fastavro.reader(file) if isinstance(row, dict)]
    return rows


def _with_avro(directory: Path) -> Rows:
    rows: Rows = []
    for path in _files(directory):
        with path.open("rb") as file, DataFileReader(file, DatumReader()) as reader:
            rows += [row for row in reader if isinstance(row, dict)]
    return rows


def _with_polars(directory: Path) -> Rows:
    import polars

    return polars.concat(map(polars.read_avro, _files(directory))).to_dicts()


def _duckdb() -> Any:
    """Opens a database in memory that reads Avro."""
    import duckdb
    import duckdb_extension_avro

    (place,) = duckdb_extension_avro.__path__
    extension = next(Path(place).rglob("*.duckdb_extension"))
    connection = duckdb.connect()
    connection.load_extension(str(extension))
    return connection


def _with_duckdb(directory: Path) -> Rows:
    with _duckdb() as connection:
        found = connection.sql(f"select * from read_avro('{directory}/**/*.avro')")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def _with_java(directory: Path) -> Rows:
    schema = record_schema(OUTPUTS[directory.name]).parsed
    rows = [row for path in _files(directory) for row in _read_with_java(path)]
    return [_without_type_names(row, schema) for row in rows]


def _read_with_java(path: Path, reader: dict[str, Any] | None = None) -> Rows:
    """Reads a file as Avro's JSON, with another schema if one is given.

    Raises:
        ValueError: The file cannot be read; the message is the output of Java.
    """
    command = ["java", "-jar", str(component_path("avro_tools")), "tojson", str(path)]
    if reader is not None:
        command += ["--reader-schema", json.dumps(reader)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _without_type_names(row: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Removes the name of the type that Avro's JSON adds to a union's value: `{"string": "x"}`."""
    found: dict[str, Any] = {}
    for field in schema["fields"]:
        value, kind = row[field["name"]], field["type"]
        if isinstance(kind, list) and value is not None:
            (value,) = value.values()
        elif isinstance(kind, dict) and kind["type"] == "record":
            value = _without_type_names(value, kind)
        found[field["name"]] = value
    assert row.keys() == found.keys()
    return found


READERS = [
    pytest.param(_with_avro, id="apache_avro"),
    pytest.param(_with_duckdb, id="duckdb", marks=pytest.mark.needs("duckdb")),
    pytest.param(_with_java, id="java", marks=pytest.mark.needs("avro_tools")),
    pytest.param(_with_polars, id="polars", marks=pytest.mark.needs("polars")),
]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("read", READERS)
def test_another_reader_reads_the_same_rows_as_fastavro(
    read: Callable[[Path], Rows], output: str, workplace: Path
) -> None:
    directory = workplace / "output" / output
    expected = _with_fastavro(directory)
    rows = read(directory)
    assert [list(row) for row in rows[:1]] == [list(row) for row in expected[:1]]
    assert _counted(rows) == _counted(expected)


def test_the_output_has_nulls_fractions_and_text_beyond_ascii(workplace: Path) -> None:
    directory = workplace / "output" / "job_status"
    rows = _with_fastavro(directory)
    (manifest,) = (workplace / "output" / "_manifest").iterdir()
    assert len(_files(directory)) > 1
    assert len(rows) == json.loads(manifest.read_bytes())["written"] > 300
    for name in ("event_time", "provider", "legacy_status"):
        assert {row[name] is None for row in rows} == {True, False}
    assert any(row["event_time"] and row["event_time"].microsecond for row in rows)
    assert any(not (row["job_status"]["source_value"] or "").isascii() for row in rows)


@pytest.mark.needs("avro_tools")
def test_avro_for_java_agrees_with_the_check_of_a_new_schema(workplace: Path) -> None:
    path = _files(workplace / "output" / "dead_letter")[0]
    candidate = json.loads(record_schema("dead_letter").text)
    field = {"name": "colour", "type": ["null", "string"], "doc": "New.", "default": None}
    candidate["fields"].append(field)
    assert incompatibilities(candidate) == []
    rows = _read_with_java(path, candidate)
    assert rows and all(row["colour"] is None for row in rows)
    candidate["fields"][7]["type"] = "string"
    assert incompatibilities(candidate)
    with pytest.raises(ValueError, match="AvroTypeException: Found boolean, expecting string"):
        _read_with_java(path, candidate)


QUERIES = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)


def _answer(code: str, place: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.needs("duckdb", "polars")
@pytest.mark.parametrize("code", [code for code in QUERIES if "event_day" not in code])
def test_each_query_in_the_docs_works(code: str, workplace: Path) -> None:
    assert "closed" in _answer(code, workplace)


@pytest.mark.needs("duckdb", "polars")
@pytest.mark.parametrize("code", QUERIES)
def test_each_query_in_the_docs_works_after_a_compaction(code: str, compacted: Path) -> None:
    answer = _answer(code, compacted)
    assert "closed" in answer
    assert ("event_day" in answer) == ("event_day" in code)


@pytest.mark.needs("duckdb")
def test_the_days_of_folders_are_those_of_the_events(compacted: Path) -> None:
    with _duckdb() as connection:
        rows = connection.sql(
            f"""select event_day, cast(event_time as date), count(*)
                  from read_avro('{compacted}/output/job_status/event_day=*/*.avro',
                                 hive_partitioning=true, hive_types={{'event_day': date}})
                 group by all"""
        ).fetchall()
    assert len(rows) > 5
    assert all(folder == day for folder, day, _ in rows)
    assert any(folder is None for folder, _, _ in rows)


SPARK = Path(__file__).parent / "spark"
SPARK_QUERIES = [
    [statement.strip() for statement in block.split(";")]
    for block in re.findall(r"^```spark-sql\n(.*?)^```$", DOCS.read_text(), re.M | re.S)
]


def _with_spark(statements: list[str], place: Path) -> Rows:
    """Runs statements of Spark SQL and returns the rows of the last one."""
    libraries = f"{component_path('spark')}/*"
    command = ["java", f"@{SPARK}/java.args", "-cp", libraries, f"{SPARK}/SparkQueries.java"]
    done = subprocess.run(
        [*command, *statements], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.needs("spark")
def test_spark_reads_the_day_as_a_column(compacted: Path) -> None:
    expected = Counter(
        (row["event_time"] and str(row["event_time"].date()), row["job_status"]["value"])
        for row in _with_fastavro(compacted / "output" / "job_status")
    )
    rows = _with_spark(SPARK_QUERIES[0], compacted)
    assert {(row["event_day"], row["value"]): row["events"] for row in rows} == expected
    assert any(row["event_day"] is None for row in rows)


@pytest.mark.needs("spark")
def test_spark_reads_files_beside_the_folders_of_days(
    compacted: Path, workplace: Path, tmp_path: Path
) -> None:
    shutil.copytree(compacted / "output", tmp_path / "output")
    for path in (workplace / "output" / "job_status").glob("*.avro"):
        shutil.copy(path, tmp_path / "output" / "job_status")
    names = ("event_id", "value", "event_time")
    expected = Counter(
        (row["event_id"], row["job_status"]["value"], _plain(row["event_time"]))
        for row in _with_fastavro(tmp_path / "output" / "job_status")
    )
    rows = _with_spark(SPARK_QUERIES[1], tmp_path)
    assert Counter(tuple(row[name] for name in names) for row in rows) == expected


def _event(job_id: str, hour: int | None, **fields: Any) -> dict[str, Any]:
    """Returns an event of the account 1 on 2025-05-01; `status` is the job's source value."""
    job = {"job_status": {"source_value": fields.pop("status")}} if "status" in fields else {}
    time = {} if hour is None else {"event_date": f"2025-05-01T{hour:02}:00:00Z"}
    envelope = {"event": "ats_jobs.updated", "account_id": "1", "record_id": job_id, **time}
    return {**envelope, **fields, **({"event_data": {"id": job_id, **job}} if job else {})}


FEED = [
    _event("a", 12, status="closed"),
    _event("a", 10, status="draft"),
    _event("a", 11, status="open"),
    _event("a", 11, status="open", sent_at="2025-05-01T15:00:00Z"),
    _event("a", 13),
    _event("a", 14, status="closed"),
    _event("a", None, status="draft"),
    _event("b", 12, event="ats_jobs.deleted"),
    _event("b", 11, status="open"),
    _event("c", 9, status="Zonk"),
    _event("a", 9, status="open", account_id="2"),
    _event("d", 11),
    {"id": "c", "updated_at": "2025-05-01T10:00:00Z", "job_status": {"source_value": "open"}},
]
"""Disorder, duplicates, deletions, events without data or time, and a job without its account."""


@pytest.mark.needs("duckdb")
def test_the_queries_for_the_latest_status_and_the_changes_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Several files, so that their order decides nothing.
    for number, event in enumerate(FEED):
        Path(f"{number:02}.json").write_text(json.dumps(event))
    assert run("--input", "*.json", "--output", "output").code == 0
    queries = re.findall(r"^```sql\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    with _duckdb() as connection:
        _, latest, changes, without_account = [
            connection.execute(query).fetchall() for query in queries
        ]
        # Of 13 events, one was sent twice, two have no data and one has no time.
        assert connection.execute("select count(*) from events").fetchall() == [(9,)]
    assert [(*key, value, since.hour) for *key, value, since in latest] == [
        ("1", "a", "closed", 14),
        ("1", "c", "unmapped_value", 9),
        ("2", "a", "open", 9),
        (None, "c", "open", 10),
    ]
    assert [(*key, time.hour, before, value) for *key, time, before, value in changes] == [
        ("1", "a", 10, None, "draft"),
        ("1", "a", 11, "draft", "open"),
        ("1", "a", 12, "open", "closed"),
        ("1", "b", 11, None, "open"),
        ("1", "b", 12, "open", "deleted"),
        ("1", "c", 9, None, "unmapped_value"),
        ("2", "a", 9, None, "open"),
        (None, "c", 10, None, "open"),
    ]
    assert without_account == [("c",)]
