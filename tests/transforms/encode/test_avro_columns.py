"""Columns encode to the same bytes that fastavro writes row by row."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.avro import RecordName, record_schema, zigzag_varint
from transforms.encode.avro_columns import encode_records

_LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [0, -1, 63, 64, -64, -65, 2**31, -(2**63)]
)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9) | st.sampled_from(
    ["", "\0", "é" * 32, "x" * 63, "x" * 64, "x" * 9000]
)
_ARROW: dict[str, pa.DataType] = {
    "string": pa.string(),
    "bytes": pa.binary(),
    "long": pa.int64(),
    "int": pa.int32(),
    "boolean": pa.bool_(),
}
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXTS,
    "bytes": st.binary(max_size=9),
    "long": _LONGS,
    "int": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
}


def _inner(avro_type: Any) -> Any:
    return avro_type[1] if isinstance(avro_type, list) else avro_type


def _arrow_type(avro_type: Any) -> pa.DataType:
    inner = _inner(avro_type)
    if isinstance(inner, dict) and inner["type"] == "record":
        return pa.struct([(f["name"], _arrow_type(f["type"])) for f in inner["fields"]])
    if isinstance(inner, dict):
        assert inner["logicalType"] == "timestamp-micros"
        return pa.timestamp("us", "UTC")
    return _ARROW[inner]


def _values(avro_type: Any) -> st.SearchStrategy[Any]:
    inner = _inner(avro_type)
    if isinstance(inner, dict) and inner["type"] == "record":
        return st.fixed_dictionaries({f["name"]: _values(f["type"]) for f in inner["fields"]})
    values = _VALUES[inner if isinstance(inner, str) else inner["type"]]
    return st.none() | values if isinstance(avro_type, list) else values


def _array(values: list[Any], arrow_type: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(arrow_type):
        return pa.array(values, pa.int64()).cast(arrow_type)
    return pa.array(values, arrow_type)


@st.composite
def _column(draw: st.DrawFn, avro_type: Any, count: int) -> tuple[list[Any], pa.Array]:
    """Returns values, and a column of them: plain, sliced or a dictionary."""
    arrow_type = _arrow_type(avro_type)
    values = draw(st.lists(_values(avro_type), min_size=count, max_size=count))
    kind = draw(st.sampled_from(["plain", "sliced", "dictionary", "sliced dictionary", "shared"]))
    if kind == "plain":
        return values, _array(values, arrow_type)
    padding = draw(st.lists(_values(avro_type), max_size=3))
    padded = _array([*padding, *values, *padding], arrow_type)
    if kind == "sliced":
        return values, padded.slice(len(padding), count)
    indices = [len(padding) + row for row in range(count)]
    if kind == "shared" and values:
        # Fewer values than rows, and null indices if the field allows null.
        indices = [draw(st.integers(0, len(padded) - 1)) for _ in range(count)]
        all_values = [*padding, *values, *padding]
        values = [all_values[index] for index in indices]
        if isinstance(avro_type, list):
            values[0], indices[0] = None, None  # type: ignore[call-overload]
    column = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), padded)
    if kind == "sliced dictionary":
        more = pa.DictionaryArray.from_arrays(pa.array([*indices, *indices], pa.int32()), padded)
        return values, more.slice(count, count)
    return values, column


@st.composite
def _records(draw: st.DrawFn, name: RecordName) -> tuple[list[dict[str, Any]], pa.RecordBatch]:
    count = draw(st.integers(0, 5))
    fields = record_schema(name).parsed["fields"]
    columns = {f["name"]: draw(_column(f["type"], count)) for f in fields}
    rows = [{key: values[row] for key, (values, _) in columns.items()} for row in range(count)]
    batch = pa.RecordBatch.from_arrays([column for _, column in columns.values()], list(columns))
    return rows, batch


def _reference(schema: dict[str, Any], rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    parsed = fastavro.parse_schema(schema)
    for row in rows:
        fastavro.schemaless_writer(out, parsed, row)
    return out.getvalue()


@pytest.mark.parametrize("name", ["job_status_event", "dead_letter"])
def test_any_records_encode_to_the_bytes_of_fastavro(name: RecordName) -> None:
    schema = record_schema(name).parsed

    @given(_records(name))
    def check(case: tuple[list[dict[str, Any]], pa.RecordBatch]) -> None:
        rows, batch = case
        encoded = encode_records(schema, batch)
        assert encoded.count == len(rows)
        assert encoded.body.to_pybytes() == _reference(schema, rows)

    check()


def _one_field(avro_type: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": [{"name": "f", "type": avro_type}]}


@pytest.mark.parametrize(
    ("avro_type", "column", "values"),
    [
        ("string", pa.array(["", "a" * 200]), ["", "a" * 200]),
        ("boolean", pa.array([True, False]).slice(1), [False]),
        (["null", "boolean"], pa.array([None, True, False]), [None, True, False]),
        (["null", "int"], pa.nulls(2, pa.int32()), [None, None]),
        ("long", pa.array([2**63 - 1, -(2**63), 0]), [2**63 - 1, -(2**63), 0]),
    ],
)
def test_records_of_one_field_are_encoded(avro_type: Any, column: pa.Array, values: Any) -> None:
    schema = _one_field(avro_type)
    encoded = encode_records(schema, pa.RecordBatch.from_arrays([column], ["f"]))
    assert encoded.body.to_pybytes() == _reference(schema, [{"f": each} for each in values])


@given(_LONGS)
def test_a_long_is_encoded_as_in_avro(number: int) -> None:
    assert zigzag_varint(number) == _reference(_one_field("long"), [{"f": number}])


def test_a_null_that_the_field_does_not_allow_is_an_error_with_the_field() -> None:
    schema = record_schema("job_status_event").parsed
    columns = {f["name"]: pa.nulls(1, _arrow_type(f["type"])) for f in schema["fields"]}
    with pytest.raises(ValueError, match="event_id"):
        encode_records(schema, pa.RecordBatch.from_pydict(columns))


def test_an_unused_null_in_a_dictionary_is_ignored() -> None:
    distinct = pa.array([{"s": None}, {"s": "x"}], pa.struct([("s", pa.string())]))
    inner = {"type": "record", "name": "I", "fields": [{"name": "s", "type": "string"}]}
    for indices in ([1], [1, 1, 1]):
        column = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), distinct)
        encoded = encode_records(_one_field(inner), pa.RecordBatch.from_arrays([column], ["f"]))
        assert encoded.body.to_pybytes() == b"\x02x" * len(indices)
    column = pa.DictionaryArray.from_arrays(pa.array([1, 0], pa.int32()), distinct)
    with pytest.raises(ValueError, match="f: s"):
        encode_records(_one_field(inner), pa.RecordBatch.from_arrays([column], ["f"]))


def test_a_missing_column_raises_a_key_error() -> None:
    with pytest.raises(KeyError, match="f"):
        encode_records(_one_field("long"), pa.RecordBatch.from_pydict({"g": [1]}))
