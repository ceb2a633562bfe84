"""Each example of docs/input.md gives the records that stand below it."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import records_of
from tests.pipeline.command import run
from transforms.parse import parse_accounts
from transforms.parse.fields import KNOWN_FIELDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "input.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PAYLOADS = [text for kind, text in BLOCKS if kind == "json"]
EXPECTED = [text for kind, text in BLOCKS if kind == "records"]
ACCOUNTS = [text for kind, text in BLOCKS if kind == "accounts"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """The records of each example."""
    place = tmp_path_factory.mktemp("input")
    paths = [place / f"{number}.json" for number in range(len(PAYLOADS))]
    for path, text in zip(paths, PAYLOADS, strict=True):
        path.write_text(text)
    arguments = ("--input", place / "*.json", "--output", place / "out")
    assert run(*arguments, "--input_format", "document", "--event_types", "ats_job*").code == 0
    records = sorted(records_of(place / "out"), key=lambda record: record["source_offset"])
    return [[each for each in records if each["source"] == str(path)] for path in paths]


def _shown(found: Any, expected: Any) -> Any:
    """Returns the part of a record that the page shows, with times as text."""
    if isinstance(expected, dict):
        return {name: _shown(found[name], expected[name]) for name in expected}
    if isinstance(found, datetime):
        return found.isoformat().replace("+00:00", "Z")
    return found


@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_an_example_gives_its_records(number: int, found: list[list[dict[str, Any]]]) -> None:
    expected = [json.loads(line) for line in EXPECTED[number].splitlines()]
    assert len(found[number]) == len(expected)
    shown = [_shown(*pair) for pair in zip(found[number], expected, strict=True)]
    assert shown == expected


def test_each_form_of_a_table_of_accounts_is_the_same_table() -> None:
    assert len(ACCOUNTS) == 2
    assert len({parse_accounts(text, "x").fingerprint for text in ACCOUNTS}) == 1


def test_the_page_names_every_known_field_of_a_payload() -> None:
    assert [name for name in KNOWN_FIELDS if f"`{name}`" not in PAGE] == []
