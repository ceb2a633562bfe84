"""Files of dead letters are read whole, or their damage is reported."""

from __future__ import annotations

from pathlib import Path

import fastavro
import pytest

from schemas.errors import InputError
from tests.transforms.read.letters import letter_without_payload, write_letters
from transforms.read.damage import DamagedInputError
from transforms.read.dead_letter_files import DeadLetterFile, letters_of
from transforms.read.limits import ReadLimits
from transforms.read.read_dead_letters import read_dead_letters

LIMITS = ReadLimits()


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_file_that_is_truncated_anywhere_is_damaged(tmp_path: Path, codec: str) -> None:
    letters = [
        {**letter_without_payload(tmp_path, b"%d" % number, number), "payload": b"%d" % number}
        for number in range(4)
    ]
    whole = write_letters(tmp_path / "whole.avro", letters, codec=codec, sync_interval=1)
    data = Path(whole.path).read_bytes()
    path = tmp_path / "truncated.avro"
    between_blocks = set()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        file = DeadLetterFile(str(path), length, 4)
        *blocks, last = read_dead_letters(file, LIMITS)
        assert last.note is not None and last.note.damage is not None
        assert last.note.end == sum(len(block.payloads) for block in blocks)
        *_, last = read_dead_letters(with_records(file, None), LIMITS)
        if last.note is not None and last.note.damage is None:
            between_blocks.add(length)
    # Without a manifest, truncation exactly between two blocks cannot be detected.
    assert len(between_blocks) == 4


def with_records(file: DeadLetterFile, records: int | None) -> DeadLetterFile:
    """Returns the file with another number of letters in its manifest, or without a manifest."""
    return file._replace(records=records)


def test_a_file_with_more_letters_than_its_manifest_lists_is_damaged(tmp_path: Path) -> None:
    file = write_letters(tmp_path / "x.avro", [letter_without_payload(tmp_path, b"", 0)] * 3)
    with pytest.raises(DamagedInputError, match="holds 3 letters, but its manifest says 2"):
        list(letters_of(with_records(file, 2)))


def test_a_file_of_other_records_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.avro"
    with path.open("wb") as file:
        schema = {"type": "record", "name": "Other", "fields": []}
        fastavro.writer(file, fastavro.parse_schema(schema), [{}])
    with pytest.raises(DamagedInputError, match="not one of dead letters"):
        list(letters_of(DeadLetterFile(str(path), path.stat().st_size)))


def test_the_damage_of_a_corrupt_file_holds_the_count_of_its_letters_and_no_data(
    tmp_path: Path,
) -> None:
    letters = [letter_without_payload(tmp_path, b"canary", number) for number in range(2)]
    file = write_letters(tmp_path / "x.avro", letters, sync_interval=1)
    data = bytearray(Path(file.path).read_bytes())
    # The marker after the last block.
    data[-1] ^= 0xFF
    Path(file.path).write_bytes(data)
    *_, last = read_dead_letters(file, LIMITS)
    assert last.note is not None
    assert last.note.damage == "it is truncated or corrupt after 1 letters"


def test_a_deleted_file_is_damaged(tmp_path: Path) -> None:
    gone = DeadLetterFile(str(tmp_path / "gone.avro"), 5, 1)
    (only,) = read_dead_letters(gone, LIMITS)
    assert only.note is not None and only.note.damage is not None
    with pytest.raises(InputError):
        list(letters_of(gone))
