"""Compares a run with the run before it in the same output."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.manifest import Manifest, RunBefore, ShareChange

_NONE = (0, 0.0)
_UNMAPPED = "unmapped"
_LEAST_EVENTS = 10
"""A share of fewer events can double by chance."""


def compared(report: Manifest, before: Manifest | None) -> Manifest:
    """Returns a report with the comparison; unchanged without a run before, or after a replay.

    A replay reads only dead letters, so its shares differ from those of other runs.
    """
    if before is None or not before.read or not report.read:
        return report
    if before.consumed and before.compaction is None:
        return report
    now_shares, before_shares = _shares(report), _shares(before)
    shares = []
    for name in [_UNMAPPED, *sorted((now_shares.keys() | before_shares.keys()) - {_UNMAPPED})]:
        (count, now), (_, earlier) = now_shares.get(name, _NONE), before_shares.get(name, _NONE)
        doubled = count >= _LEAST_EVENTS and now >= 2 * earlier
        shares.append(ShareChange(name, round(earlier, 6), round(now, 6), doubled))
    run_before = RunBefore(
        run_id=before.run_id,
        committed_at=before.committed_at,
        read=before.read,
        written=before.written,
        dead_lettered=before.dead_lettered,
        shares=shares,
    )
    return replace(report, run_before=run_before)


def _shares(run: Manifest) -> dict[str, tuple[int, float]]:
    """Returns the counts and the shares of what should be rare."""
    unmapped = run.by_derivation.get("unmapped", 0)
    outcomes = run.written + run.dead_lettered
    shares = {code: (count, count / outcomes) for code, count in run.by_error_code.items()}
    return {_UNMAPPED: (unmapped, unmapped / max(run.written, 1)), **shares}
