"""A report compares the run with the one before, and warns of shares that have doubled."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.report.comparison import compared
from schemas.manifest import Manifest
from tests.pipeline.command import Said, run, write_events
from transforms.storage import filesystem, newest_manifest
from transforms.storage.manifests import manifest_path

pytestmark = pytest.mark.usefixtures("no_sync")


def _manifest(unmapped: int, bad: int, written: int = 100, **changes: Any) -> Manifest:
    return Manifest(
        run_id="run",
        read=written + bad,
        written=written,
        dead_lettered=bad,
        by_derivation={"unmapped": unmapped},
        by_error_code={"INVALID_JSON": bad} if bad else {},
        **changes,
    )


def _doubled(now: Manifest, before: Manifest) -> list[str]:
    report = compared(now, before)
    assert report.run_before is not None
    return [each.name for each in report.run_before.shares if each.doubled]


@pytest.mark.parametrize(
    ("now", "before", "doubled"),
    [
        (_manifest(20, 0), _manifest(10, 0), ["unmapped"]),
        (_manifest(19, 0), _manifest(10, 0), []),
        (_manifest(20, 0, written=200), _manifest(10, 0), []),
        (_manifest(9, 0), _manifest(1, 0), []),
        (_manifest(10, 0), _manifest(0, 0), ["unmapped"]),
        (_manifest(0, 30), _manifest(0, 10), ["INVALID_JSON"]),
        (_manifest(0, 10), _manifest(0, 0), ["INVALID_JSON"]),
        (_manifest(0, 0), _manifest(50, 50), []),
    ],
)
def test_a_share_has_doubled_if_ten_events_have_it_and_it_is_twice_as_large(
    now: Manifest, before: Manifest, doubled: list[str]
) -> None:
    assert _doubled(now, before) == doubled


@pytest.mark.parametrize(
    "before",
    [None, _manifest(10, 10, consumed=["a.avro"]), Manifest(run_id="empty")],
    ids=["none", "replay", "empty"],
)
def test_nothing_is_compared_without_a_comparable_run(before: Manifest | None) -> None:
    assert compared(_manifest(50, 50), before).run_before is None


def _run(tmp_path: Path, bad: int, mode: str, report: str = "report.json") -> Said:
    path = write_events(tmp_path / "events.jsonl", 0, 20, bad=bad)
    where = ("--input", path, "--output", tmp_path / "out", "--report", tmp_path / report)
    return run(*where, "--write_mode", mode)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_the_summary_the_report_and_the_page_warn(tmp_path: Path, mode: str) -> None:
    first = _run(tmp_path, 1, mode)
    assert "the run before" not in first.err
    said = _run(tmp_path, 12, mode)
    assert "37.5 % of the events are INVALID_JSON, 4.8 % were in the run before" in said.err
    assert "unmapped 0.0 %, now 0.0 %; dead letters 4.8 %, now 37.5 %" in " ".join(said.err.split())
    report = json.loads((tmp_path / "report.json").read_bytes())
    shares = {each["name"]: each for each in report["run_before"]["shares"]}
    assert report["run_before"]["read"] == 21
    assert shares["INVALID_JSON"] == {
        "name": "INVALID_JSON", "before": 0.047619, "now": 0.375, "doubled": True,
    }  # fmt: skip
    _run(tmp_path, 60, mode, "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "Compared with the run before" in page
    assert '<span class="badge bad">▲ INVALID_JSON doubled</span>' in page


def test_only_the_newest_manifest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, run_id in enumerate(["b", "c", "a"]):
        path = manifest_path(str(tmp_path), run_id)
        filesystem.write(path, Manifest(run_id=run_id).to_json())
        os.utime(path, (number, number))
    opened = []
    real_open = filesystem.open_for_reading

    def open_for_reading(path: str) -> Any:
        opened.append(Path(path).name)
        return real_open(path)

    monkeypatch.setattr(filesystem, "open_for_reading", open_for_reading)
    newest = newest_manifest(str(tmp_path))
    assert newest is not None and newest.run_id == "a"
    assert opened == ["a.json"]


def test_an_output_whose_name_is_a_pattern_has_a_newest_manifest(tmp_path: Path) -> None:
    output = str(tmp_path / "out[1]*")
    filesystem.write(manifest_path(output, "run"), Manifest(run_id="run").to_json())
    newest = newest_manifest(output)
    assert newest is not None and newest.run_id == "run"
    assert newest_manifest(str(tmp_path / "none")) is None
