"""Makes the manifest of a run from its ledger."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Any

from schemas.avro import record_schema
from schemas.counts import NO_NAME, OTHER, Counts, Tallies
from schemas.manifest import Input, Manifest, OutputFile, Unmapped
from schemas.version import PIPELINE_VERSION
from transforms.blocks import Ledger
from transforms.storage import relative_path
from transforms.write.settings import CommitSettings

_MAX_UNMAPPED = 100


def manifest_of(
    settings: CommitSettings, ledger: Ledger, files: list[OutputFile], replaces: list[str]
) -> Manifest:
    """Returns the manifest of a run; `replaces` are paths relative to the output."""
    schema = record_schema("job_status_event")
    duration = max(time.time() - settings.started_at, 0.001) if settings.started_at else 0.0
    inputs = sorted(ledger.inputs.items())
    # A damaged file is not consumed: a later replay can read an undamaged copy of it.
    consumed = [path for path, each in inputs if settings.is_replay and each.damage is None]
    return Manifest(
        run_id=settings.run_id,
        **_tallies(ledger),
        conserved=not ledger.discrepancies(),
        unmapped=[
            Unmapped(row.provider, row.source_value, row.count)
            for row in ledger.unmapped.top(_MAX_UNMAPPED)
        ],
        providers_without_table=_providers_without_table(settings, ledger),
        inputs=[
            Input(path, each.bytes, each.damage is not None, each.modified_ns)
            for path, each in inputs
        ],
        skipped_inputs=ledger.skipped_inputs,
        changed_inputs=ledger.changed_inputs,
        files=files,
        duration_seconds=round(duration, 3),
        events_per_second=round(ledger.read / duration) if duration else 0,
        pipeline_version=PIPELINE_VERSION,
        schema_version=schema.version,
        schema_fingerprint=schema.fingerprint,
        mapping_fingerprint=settings.mapping_fingerprint,
        accounts_fingerprint=settings.accounts_fingerprint,
        mapping_files=list(settings.mapping_files),
        patterns=list(settings.patterns),
        committed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        replaces=replaces,
        consumed=[relative_path(settings.output, path) for path in consumed],
        oldest_message=_oldest_message(ledger),
        blocks=ledger.blocks,
    )


def _providers_without_table(settings: CommitSettings, ledger: Ledger) -> Counts:
    if settings.mapping is None:
        return {}
    found = {
        name: sum(counts.values())
        for name, counts in ledger.by_provider.items()
        if name not in (NO_NAME, OTHER) and settings.mapping.provider(name) is None
    }
    return _largest_first(found)


def _oldest_message(ledger: Ledger) -> str:
    oldest = min((each.oldest for each in ledger.pending_acks), default=None)
    if oldest is None:
        return ""
    return datetime.fromtimestamp(oldest / 1e6, timezone.utc).isoformat(timespec="milliseconds")


def _tallies(ledger: Ledger) -> dict[str, Any]:
    """Returns the counts of a ledger; days in their order, all other names by falling count."""
    tallies = {name: getattr(ledger, name) for name in Tallies.__struct_fields__}
    for name, counts in tallies.items():
        if isinstance(counts, dict):
            tallies[name] = _largest_first(counts)
    for table in ("by_provider", "unreadable_by_field"):
        tallies[table] = {name: _largest_first(each) for name, each in tallies[table].items()}
    return {**tallies, "by_day": dict(sorted(ledger.by_day.items()))}


def _largest_first(counts: dict[str, Any]) -> dict[str, Any]:
    def total(count: Any) -> int:
        return sum(count.values()) if isinstance(count, dict) else count

    return dict(sorted(counts.items(), key=lambda item: (-total(item[1]), item[0])))
