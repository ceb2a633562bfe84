"""The benchmark of a commit measures a complete commit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.commit import main, measure
from schemas.manifest import Manifest
from transforms.storage.manifests import read_manifests


@pytest.mark.usefixtures("no_sync")
def test_the_measured_commit_is_complete(tmp_path: Path) -> None:
    cost = measure(tmp_path, files=7, inputs=5, others=3)
    ((_, manifest),) = read_manifests(str(tmp_path))
    assert isinstance(manifest, Manifest)
    assert (manifest.read, len(manifest.files), len(manifest.inputs)) == (7, 7, 5)
    assert len(list((tmp_path / "job_status").iterdir())) == 10
    assert cost.manifest_bytes > 1000
    assert not (tmp_path / "_staging").exists()


@pytest.mark.usefixtures("no_sync")
def test_the_command_prints_one_line_and_removes_its_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--files", "2", "--inputs", "1", "--directory", str(tmp_path)])
    assert re.fullmatch(
        r"2 files, 1 inputs, 0 others: ledgers merged .*\n", capsys.readouterr().out
    )
    assert list(tmp_path.iterdir()) == []
