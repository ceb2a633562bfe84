"""Elements become payloads, and each outcome is assigned to its element."""

from __future__ import annotations

import json
import math
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.blocks.block_size import BLOCK_ROWS
from transforms.normalize.elements import ElementBatch, NotPayloadError, payload_of

PLACE: Any = (0, ())


@pytest.mark.parametrize(
    ("element", "payload"),
    [
        (b"\xff", b"\xff"),
        ("é", "é".encode()),
        ({"é": 1.0}, '{"é":1.0}'.encode()),
        ({"n": Decimal("1.10")}, b'{"n":1.10}'),
        ({"t": datetime(2025, 5, 1, tzinfo=timezone.utc)}, b'{"t":"2025-05-01T00:00:00Z"}'),
        ({"n": math.nan}, b'{"n":null}'),
        ({"n": 2**80}, b'{"n":1208925819614629174706176}'),
        ({"s": "\ud800"}, b'{"s": "\\ud800"}'),
        ("\ud800", b"\xed\xa0\x80"),
    ],
    ids=repr,
)
def test_an_element_becomes_its_json_text(element: Any, payload: bytes) -> None:
    assert payload_of(element) == payload


@pytest.mark.parametrize("element", [None, 7, ["{}"], bytearray(b"{}")], ids=repr)
def test_an_element_of_another_type_is_refused_by_the_name_of_its_type(element: Any) -> None:
    with pytest.raises(NotPayloadError, match=f"found {type(element).__name__}$"):
        payload_of(element)


def test_a_dict_that_json_cannot_represent_is_refused_without_its_values() -> None:
    with pytest.raises(NotPayloadError, match=r"^a dict that JSON cannot represent"):
        payload_of({"secret": object()})


def test_a_dict_that_contains_itself_is_refused() -> None:
    element: dict[str, Any] = {}
    element["self"] = element
    with pytest.raises(NotPayloadError):
        payload_of(element)


@given(st.lists(st.one_of(st.none(), st.binary(max_size=3), st.text(max_size=3)), min_size=1))
def test_each_offset_has_the_number_of_its_element(elements: list[Any]) -> None:
    batch = ElementBatch(max_event_bytes=2)
    expected_rejected = []
    for number, element in enumerate(elements):
        batch.add(element, PLACE)
        if element is None or len(payload_of(element)) > 2:
            expected_rejected.append(number)
    block = batch.block()
    rejected, _ = batch.locate([each.offset for each in block.rejections])
    assert rejected == expected_rejected
    numbers, offsets = batch.locate(block.offsets)
    for payload, number, offset in zip(block.payloads, numbers, offsets, strict=True):
        data = payload_of(elements[number])
        assert data[offset : offset + len(payload)] == payload


def test_white_space_alone_is_no_payload() -> None:
    batch = ElementBatch(max_event_bytes=10)
    batch.add(b" \n", PLACE)
    block = batch.block()
    assert (len(block.payloads), block.rejections) == (0, [])


def test_a_batch_is_full_at_the_number_of_rows_of_a_block() -> None:
    batch = ElementBatch(max_event_bytes=10)
    for _ in range(BLOCK_ROWS - 1):
        batch.add(b"", PLACE)
    assert not batch.is_full
    batch.add(b"", PLACE)
    assert batch.is_full


def test_an_element_over_the_limit_is_too_large() -> None:
    batch = ElementBatch(max_event_bytes=10)
    batch.add(json.dumps({"id": "0123456789"}), PLACE)
    (rejection,) = batch.block().rejections
    assert (rejection.code, rejection.full_size) == ("TOO_LARGE", 20)
