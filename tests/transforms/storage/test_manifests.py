"""Reading manifests: errors name the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import InputError, OutputError
from tests.transforms.runs import settings
from transforms.blocks.ledger import Ledger
from transforms.storage import filesystem
from transforms.storage.manifests import (
    committed_blocks,
    manifest_path,
    pending_path,
    read_manifests,
)
from transforms.write.commit import commit

pytestmark = pytest.mark.usefixtures("no_sync")


def test_a_file_that_is_not_a_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "_manifest").mkdir()
    (tmp_path / "_manifest" / "notes.json").write_text("[]")
    with pytest.raises(OutputError, match=r"notes\.json is not a manifest") as refused:
        read_manifests(str(tmp_path))
    assert "remove it" in str(refused.value.hint)


def test_a_manifest_that_cannot_be_opened_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "_manifest").mkdir()
    commit(settings(str(tmp_path), "run"), Ledger())
    real_open = filesystem.open_for_reading

    def refuse(path: str) -> object:
        raise InputError(f"cannot open the input {path}: Permission denied")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filesystem, "open_for_reading", refuse)
        with pytest.raises(OutputError, match=r"cannot open /.*run\.json: Permission denied"):
            read_manifests(str(tmp_path))
    assert filesystem.open_for_reading is real_open


def test_the_blocks_of_a_run_that_was_committed_since_its_intent_was_listed_count(
    tmp_path: Path,
) -> None:
    run = settings(str(tmp_path), "run")
    commit(run, Ledger(blocks=["0" * 32]))
    for listed in (manifest_path(run.output, "run"), pending_path(run.output, "run")):
        assert committed_blocks(run.output, [listed]) == {"0" * 32}
    assert committed_blocks(run.output, [pending_path(run.output, "other")]) == set()
