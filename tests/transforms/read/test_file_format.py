"""Documents are detected, and JSON Lines stay lines if any one byte of them is wrong."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from transforms.read import file_format as module
from transforms.read.file_format import detect_file_format
from transforms.read.limits import PEEK_BYTES

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
)
_KEYS = st.text(max_size=4)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)
_CONTAINERS = st.lists(_JSON, max_size=4) | st.dictionaries(_KEYS, _JSON, max_size=4)
_INDENTS = st.sampled_from([0, 1, 2, 8, "\t"])


def _with_ends(text: str, end: str) -> bytes:
    return text.replace("\n", end).encode()


@given(
    data=_CONTAINERS,
    indent=_INDENTS,
    ascii_only=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
    before=st.sampled_from([b"", b"\xef\xbb\xbf", b"\n\n", b"\xef\xbb\xbf \r\n"]),
    after=st.sampled_from([b"", b"\n", b"\r\n \n"]),
)
def test_a_pretty_printed_document_is_a_document(
    data: Any, indent: int | str, ascii_only: bool, end: str, before: bytes, after: bytes
) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
    assume("\n" in text)
    assert detect_file_format(before + _with_ends(text, end) + after) == "document"


@given(data=_CONTAINERS, indent=_INDENTS, fraction=st.floats(0, 1))
def test_a_document_that_is_longer_than_the_peek_is_a_document(
    data: Any, indent: int | str, fraction: float
) -> None:
    text = json.dumps(data, indent=indent).encode()
    assume(b"\n" in text)
    peek = max(text.index(b"\n") + 2, int(len(text) * fraction))
    with patch.object(module, "PEEK_BYTES", peek):
        assert detect_file_format(text[:peek]) in _possible_formats(text[:peek])


def _possible_formats(peeked: bytes) -> set[str]:
    # With only white space on the second line, both formats are possible.
    return {"document"} if peeked.partition(b"\n")[2].strip() else {"document", "lines"}


@pytest.mark.parametrize(
    "text",
    [
        '[{"a":1},\n{"b":2}]',
        '[{"a":1},\n {"b":2},\n {"c":3}]\n',
        '[{"a":1}\n,{"b":2}\n]',
        '[\n{"a":1}\n,{"b":2}\n]',
        '{"data":[{"a":1},\n{"b":2}]}',
        '{"data":\n[]}',
        "{\n}",
        "[\n]",
        "[[1],\n[2]]",
        '{"event":"x",\n"data":{"id":1}}',
        '{\n  "huge": ' + "9" * 6000 + "\n}",
        '{\n  "n": NaN\n}',
        '{\n "a":1\n}\n{\n "a":2\n}',
        '{\n "a":1\n}{\n "a":2\n} {\n "a":3\n}',
    ],
)
def test_a_document_of_any_style_is_a_document(text: str) -> None:
    assert detect_file_format(text.encode()) == "document"
    assert detect_file_format(text.replace("\n", "\r\n").encode()) == "document"


def test_a_large_document_is_a_document() -> None:
    page = {"next": None, "data": [{"id": str(i), "title": "é" * 30} for i in range(30_000)]}
    for indent in (1, "\t"):
        text = json.dumps(page, indent=indent, ensure_ascii=False).encode()
        assert len(text) > PEEK_BYTES
        assert detect_file_format(text[:PEEK_BYTES]) == "document"
        with patch.object(module, "PEEK_BYTES", 1000):
            for length in range(1000, 1300):
                assert detect_file_format(text[:length]) == "document"


def test_a_large_array_with_one_element_a_line_is_a_document() -> None:
    line = '{"id":"%d","label":"Open"}'
    for begin in ("[", "[\n"):
        text = begin + ",\n".join(line % i for i in range(50_000)) + "]"
        assert detect_file_format(text.encode()[:PEEK_BYTES]) == "document"


def test_a_truncated_document_is_a_document() -> None:
    text = json.dumps({"data": [{"id": 1, "title": "a b"}] * 3}, indent=2).encode()
    for line_end in (place for place, byte in enumerate(text) if byte == 10):
        if text[:line_end].count(b"\n"):
            assert detect_file_format(text[: line_end + 1]) == "document"


def test_a_document_that_is_nested_too_deeply_is_a_document() -> None:
    assert detect_file_format(b"[\n" * 100_000) == "document"
    assert detect_file_format(b'{"a":\n' * 50_000) == "document"


def test_a_first_line_that_is_nested_too_deeply_leaves_lines() -> None:
    assert detect_file_format(b"[" * 100_000 + b'\n{"a":1}\n') == "lines"
    deep = b"[" * 5000 + b"]" * 5000 + b"\n"
    assert detect_file_format(deep + b'{"a":1}\n') == "lines"
    assert detect_file_format((deep + b'{"a":1}\n' * 200_000)[:PEEK_BYTES]) == "lines"


def test_several_pretty_printed_documents_are_one_document() -> None:
    assert detect_file_format(b'{\n "a": 1\n}\n{\n "a": 2\n}\n') == "document"


_LINES = st.lists(_CONTAINERS, min_size=1, max_size=5)


@given(
    rows=_LINES,
    ascii_only=st.booleans(),
    end=st.sampled_from([b"\n", b"\r\n", b"\n\n"]),
    last_end=st.booleans(),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_json_lines_are_lines(
    rows: list[Any], ascii_only: bool, end: bytes, last_end: bool, mark: bytes
) -> None:
    lines = [json.dumps(row, ensure_ascii=ascii_only).encode() for row in rows]
    assert detect_file_format(mark + end.join(lines) + end * last_end) == "lines"


@given(
    rows=st.lists(_CONTAINERS, min_size=2, max_size=4),
    compact=st.booleans(),
    end=st.sampled_from([b"\n", b"\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    place=st.floats(0, 1, exclude_max=True),
    wrong=st.one_of(st.sampled_from(list(b'\n\r\t ,:"\\{}[]0')), st.integers(0, 255)),
)
@example(rows=[[1], [2]], compact=True, end=b"\n", mark=b"", place=0.3, wrong=ord(","))
@example(rows=[[], [2]], compact=True, end=b"\n", mark=b"", place=0.2, wrong=ord("["))
@example(rows=[{"a": 1}, {}], compact=False, end=b"\n", mark=b"", place=0.46, wrong=ord("\n"))
@example(rows=[[[1], [2]], [3]], compact=True, end=b"\n", mark=b"", place=0.1, wrong=ord("\n"))
def test_json_lines_with_a_wrong_byte_are_lines(
    rows: list[Any], compact: bool, end: bytes, mark: bytes, place: float, wrong: int
) -> None:
    separators = (",", ":") if compact else None
    lines = (json.dumps(row, separators=separators).encode() for row in rows)
    text = bytearray(mark + end.join(lines) + end)
    text[int(place * len(text))] = wrong
    assert detect_file_format(bytes(text)) == "lines"


@pytest.mark.parametrize(
    "rows",
    [
        [[1], [2]],
        [[], [2]],
        [[[1], [2]], [[3]]],
        [{"a": {"b": [1]}}, {"c": "d"}],
        [[{"a": "b"}], {"c": 12}],
        [{"event": "x", "data": {"id": 1}}, {}, []],
    ],
)
def test_lines_with_any_wrong_byte_at_any_place_are_lines(rows: list[Any]) -> None:
    text = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    for place in range(len(text)):
        for wrong in range(256):
            broken = bytearray(text)
            broken[place] = wrong
            assert detect_file_format(bytes(broken)) == "lines", bytes(broken)


def test_a_long_file_of_lines_with_a_wrong_first_line_is_lines() -> None:
    rest = b'{"id":1,"title":"x"}\n' * 100_000
    for first in (b'{"id":1', b'{"id":1,', b'["id",', b'{"id":"1}', b'{"id":\n1}', b"[[1\n,[2]]"):
        assert detect_file_format((first + b"\n" + rest)[:PEEK_BYTES]) == "lines"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" \n\r\n",
        b"\xef\xbb\xbf",
        b"null\n1\n",
        b'"a\nb"',
        b"not json\nat all\n",
        b'{"a":1}',
        b'{"a":1}   \n\n',
        b'{"a":1} {"b":2}\n{"c":3}\n',
        b'\xff\xfe{\x00\n\x00"\x00',
        b'{"a":"\xff"}\n{"a":1}\n',
        b'{"a":"x\n',
        b"[\n1],[2]]\n",
    ],
)
def test_everything_else_is_lines(text: bytes) -> None:
    assert detect_file_format(text) == "lines"


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_bytes_have_a_format(text: bytes, peek: int) -> None:
    with patch.object(module, "PEEK_BYTES", peek):
        assert detect_file_format(text) in ("lines", "document")
