"""Contender: DuckDB, written for speed by somebody who knows it.

`python -m benchmarks.duckdb_sql parquet|avro|lines INPUT OUTPUT_DIRECTORY`

The rules run once for each distinct status, and their results are joined. DuckDB has no BLAKE2b, so
`event_id` is MD5 over the same fields, and it formats JSON anew, so `source_value_json` is not the
exact text. `lines` reads lines as text, and writes those that are not JSON to a file of their own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb
import pyarrow

from benchmarks.records import WANTED, status_deriver
from schemas.mapping.tables import load_mapping

_JOB = ("id", "remote_id", "status", "created_at", "updated_at")
_ENVELOPE = ("event", "event_date", "project_id", "account_id", "provider", "record_id")
_JOB_TYPES = {**dict.fromkeys(_JOB, "VARCHAR"), "job_status": "JSON"}
_TYPES = {**dict.fromkeys((*_ENVELOPE, "record_remote_id"), "VARCHAR"), "event_data": _JOB_TYPES}
_JOB_STRUCT = f"STRUCT({', '.join(f'{name} {each}' for name, each in _JOB_TYPES.items())})"
_COLUMNS = {**_TYPES, "event_data": _JOB_STRUCT}

_PARSED = f"read_json($source, format = 'newline_delimited', columns = {_COLUMNS})"
# A record of CSV with one column and a separator that JSON cannot contain is a line.
_LINES = """read_csv($source, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '',
    escape = '', header = false, auto_detect = false, max_line_size = 16000000,
    store_rejects = true)"""

_EVENTS = """
create temp table events as
select event as event_type, event_date, project_id, account_id, provider,
       coalesce(event_data.id, record_id) as job_id,
       coalesce(event_data.remote_id, record_remote_id) as remote_job_id,
       event_data.job_status::varchar as status_json, event_data.status as legacy_status,
       event_data.created_at as created_at, event_data.updated_at as updated_at
from {rows} where event is null or starts_with(event, '{wanted}')"""

_KEY = ("provider", "event_type", "status_json", "legacy_status")
_IDENTITY = (
    *("account_id", "events.provider", "events.event_type", "event_date", "job_id"),
    *("remote_job_id", "created_at", "updated_at", "events.status_json", "events.legacy_status"),
)
_RECORDS = f"""
select md5(concat_ws(chr(0), {", ".join(f"coalesce({field}, chr(1))" for field in _IDENTITY)}))
           as event_id,
       'job' as record_type, events.event_type,
       coalesce(try_cast(event_date as timestamptz), try_cast(updated_at as timestamptz),
                try_cast(created_at as timestamptz)) as event_time,
       project_id, account_id, events.provider, job_id, remote_job_id,
       null::varchar as posting_id, null::varchar as remote_posting_id,
       try_cast(created_at as timestamptz) as job_created_at,
       try_cast(updated_at as timestamptz) as job_updated_at,
       events.legacy_status, job_status, getvariable('fingerprint') as mapping_fingerprint,
       getvariable('source') as source, null::bigint as source_offset,
       null::varchar as message_id, null::timestamptz as publish_time
from events join statuses
     on {" and ".join(f"events.{name} is not distinct from statuses.{name}" for name in _KEY)}"""


def run(output_format: str, source: str, directory: str) -> None:
    """Writes one file of records and, for `lines`, one of bad lines."""
    connection = duckdb.connect()
    connection.execute(
        "set threads = 1; set preserve_insertion_order = false; set timezone = 'UTC'"
    )
    if output_format == "avro":
        _load_avro(connection)
    rows = _PARSED
    if output_format == "lines":
        lines = f"select line, json_valid(line) as is_json from {_LINES}"
        connection.execute(f"create temp table lines as {lines}", {"source": source})
        # Rejects are lines that are not UTF-8. Their text has a question mark for each such byte.
        bad = (
            "select line from lines where not is_json union all select csv_line from reject_errors"
        )
        connection.execute(f"copy ({bad}) to '{directory}/bad_lines.parquet'")
        parsed = f"from_json(line, '{json.dumps(_TYPES)}')"
        rows = f"(select unnest({parsed}) from lines where is_json)"
    parameters = {} if output_format == "lines" else {"source": source}
    connection.execute(_EVENTS.format(rows=rows, wanted=WANTED), parameters)
    keys = ", ".join(_KEY)
    derive = status_deriver()
    statuses = [
        {**dict(zip(_KEY, key, strict=True)), "job_status": derive(*key)}
        for key in connection.execute(f"select distinct {keys} from events").fetchall()
    ]
    connection.register("statuses", pyarrow.Table.from_pylist(statuses))
    connection.execute("set variable source = $1", [source])
    connection.execute("set variable fingerprint = $1", [load_mapping().fingerprint])
    records = Path(directory, "records")
    records.mkdir()
    kind = "avro" if output_format == "avro" else "parquet"
    connection.execute(f"copy ({_RECORDS}) to '{records}/job_status.{kind}' (format {kind})")


def _load_avro(connection: duckdb.DuckDBPyConnection) -> None:
    import duckdb_extension_avro

    (root,) = duckdb_extension_avro.__path__
    connection.load_extension(str(next(Path(root).rglob("*.duckdb_extension"))))


if __name__ == "__main__":
    run(*sys.argv[1:])
