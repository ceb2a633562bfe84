"""Contender: Polars, written for speed by somebody who knows it.

`python -m benchmarks.polars_frames INPUT OUTPUT_DIRECTORY`

The rules run once for each distinct status, and their results are joined. Polars has no digests, so
`event_id` is a hash of 64 bits over the same fields. A status is read as text, in which the string
"1" and the number 1 are equal.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

# Polars reads it when it is imported. With more threads, an event costs the same processor time.
os.environ["POLARS_MAX_THREADS"] = "1"

import polars as pl

from benchmarks.records import WANTED, status_deriver
from schemas.mapping.tables import load_mapping

_JOB = ("id", "remote_id", "job_status", "status", "created_at", "updated_at")
_ENVELOPE = ("event", "event_date", "project_id", "account_id", "provider", "record_id")
_SCHEMA: dict[str, Any] = {
    **dict.fromkeys((*_ENVELOPE, "record_remote_id"), pl.String),
    "event_data": pl.Struct(dict.fromkeys(_JOB, pl.String)),
}
_KEY = ("provider", "event_type", "status_json", "legacy_status")
_IDENTITY = (
    *("account_id", "provider", "event_type", "event_date", "job_id", "remote_job_id"),
    *("created_at", "updated_at", "status_json", "legacy_status"),
)


def _job(name: str) -> pl.Expr:
    return pl.col("event_data").struct.field(name)


def _moment(name: str) -> pl.Expr:
    return pl.col(name).str.to_datetime(
        "%+", time_unit="us", time_zone="UTC", strict=False, exact=True
    )


def _json_of(text: str | None) -> str | None:
    """Returns the JSON of a status. A text that is JSON can be a string of the same characters."""
    try:
        json.loads(text or "")
    except ValueError:
        return None if text is None else json.dumps(text)
    return text


def run(source: str, directory: str) -> None:
    """Writes one Parquet file."""
    events = (
        pl.scan_ndjson(source, schema=_SCHEMA)
        .filter(pl.col("event").is_null() | pl.col("event").str.starts_with(WANTED))
        .select(
            pl.col("event").alias("event_type"),
            *("event_date", "project_id", "account_id", "provider"),
            pl.coalesce(_job("id"), "record_id").alias("job_id"),
            pl.coalesce(_job("remote_id"), "record_remote_id").alias("remote_job_id"),
            _job("job_status").alias("status_json"),
            _job("status").alias("legacy_status"),
            *(_job("created_at"), _job("updated_at")),
        )
        .collect()
    )
    keys = events.select(_KEY).unique()
    derive = status_deriver()
    derived = [derive(p, event, _json_of(text), old) for p, event, text, old in keys.iter_rows()]
    names = tuple(derived[0]) if derived else ()
    types = dict.fromkeys(names, pl.String)
    statuses = keys.with_columns(pl.Series("job_status", derived, dtype=pl.Struct(types)))
    (
        events.lazy()
        .join(statuses.lazy(), on=_KEY, how="left", nulls_equal=True)
        .with_columns(
            pl.struct(_IDENTITY).hash().alias("event_id"),
            _moment("event_date").alias("event_time"),
            _moment("created_at").alias("job_created_at"),
            _moment("updated_at").alias("job_updated_at"),
        )
        .select(
            "event_id",
            pl.lit("job").alias("record_type"),
            "event_type",
            pl.coalesce("event_time", "job_updated_at", "job_created_at"),
            *("project_id", "account_id", "provider", "job_id", "remote_job_id"),
            pl.lit(None, pl.String).alias("posting_id"),
            pl.lit(None, pl.String).alias("remote_posting_id"),
            *("job_created_at", "job_updated_at", "legacy_status", "job_status"),
            pl.lit(load_mapping().fingerprint).alias("mapping_fingerprint"),
            pl.lit(source).alias("source"),
            pl.lit(None, pl.Int64).alias("source_offset"),
            pl.lit(None, pl.String).alias("message_id"),
            pl.lit(None, pl.Datetime("us", "UTC")).alias("publish_time"),
        )
        .sink_parquet(f"{directory}/job_status.parquet", compression="snappy")
    )


if __name__ == "__main__":
    run(*sys.argv[1:])
