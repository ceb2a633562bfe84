"""The faults of a payload are found, and each of its parts has only its own fault."""

from __future__ import annotations

import pytest

from transforms.parse.masking import LONE_SURROGATE, TOO_DEEP, Fault, Mask, find_fault

_INVALID_UTF8 = Fault("INVALID_UTF8", "byte 1 is not valid UTF-8")
_DEEP = b"[" * 201 + b"]" * 201


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"", None),
        (b"[" * 200, None),
        ('"é"'.encode(), None),
        (rb'"\ud800"', None),
        (b'"\xff"', _INVALID_UTF8),
        (_DEEP, TOO_DEEP),
        (b'"' + _DEEP + b'"', None),
    ],
)
def test_faults_that_a_decoder_accepts_are_found(text: bytes, fault: Fault | None) -> None:
    assert find_fault(text) == fault


def test_each_part_of_a_payload_has_only_its_own_fault() -> None:
    parts = {b'"\xff"': _INVALID_UTF8, _DEEP: TOO_DEEP, rb'"\udc00"': LONE_SURROGATE, b'"x"': None}
    payload = b"[" + b",".join(parts) + b"]"
    mask = Mask.of(payload, offset=1000)
    for part, fault in parts.items():
        start = 1000 + payload.index(part)
        assert mask.fault(start, start + len(part)) == fault
