"""Offsets in a file are shown as line numbers."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from transforms.read.line_numbers import line_numbers

TEXT = b"one\ntwo\n\nfour"


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
def test_each_offset_has_the_number_of_its_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT) if name.endswith(".gz") else TEXT)
    assert line_numbers(str(path), [0, 4, 5, 8, 9, 99]) == {0: 1, 4: 2, 5: 2, 8: 3, 9: 4}


def test_a_file_that_cannot_be_read_has_no_lines(tmp_path: Path) -> None:
    assert line_numbers(str(tmp_path / "missing"), [0]) == {}
    assert line_numbers("gs://bucket/x", [0]) == {}
