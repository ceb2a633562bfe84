"""A job's status is split, and its text is kept byte for byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.event_cases import JSON, events_in
from transforms.blocks.status import StatusText
from transforms.json.text import kind_of
from transforms.parse.raw_status import WrongTypeError, status_text


@pytest.mark.parametrize("raw", [b"", b"null", b" null"])
def test_a_missing_or_null_status_is_missing(raw: bytes) -> None:
    assert status_text(raw) == StatusText(None, None, "missing")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [("true", "boolean"), ("1.0", "number"), ('"Open"', "string"), ("-0", "number")],
)
def test_a_scalar_is_the_source_value(raw: str, kind: str) -> None:
    assert status_text(raw.encode()) == StatusText(None, raw, kind)


@pytest.mark.parametrize(
    ("pair", "given", "source", "kind"),
    [
        ("{}", None, None, "missing"),
        ('{"value":"open"}', "open", None, "missing"),
        ('{"value":null,"source_value":null}', None, None, "null"),
        ('{"value":"","source_value":""}', "", '""', "string"),
        ('{"source_value":null,"sourceValue":1}', None, "1", "number"),
        ('{"source_value":2,"sourceValue":1}', None, "2", "number"),
        ('{"sourceValue":null}', None, None, "null"),
        ('{"sourceValue":[ 1 ]}', None, "[ 1 ]", "array"),
        ('{"value":[],"value":"open"}', "open", None, "missing"),
        ('{"source_value":1,"source_value":2.50}', None, "2.50", "number"),
        (r'{"source_value":"\u0000"}', None, r'"\u0000"', "string"),
        ('{"source_value":1e400}', None, "1e400", "number"),
        (r'{"value":"\u00e9"}', "é", None, "missing"),
    ],
)
def test_an_object_is_split_into_value_and_source_value(
    pair: str, given: str | None, source: str | None, kind: str
) -> None:
    assert status_text(pair.encode()) == StatusText(given, source, kind)


@pytest.mark.parametrize(
    ("raw", "path"), [(b"[]", "$.x"), (b'{"value":1}', "$.x.value"), (b'{"value":[]}', "$.x.value")]
)
def test_a_wrong_type_is_an_error_with_its_path(raw: bytes, path: str) -> None:
    with pytest.raises(WrongTypeError) as caught:
        status_text(raw, "$.x")
    assert caught.value.path == path


@given(JSON, st.sampled_from(["", " ", "\t\r\n"]), st.sampled_from(["source_value", "sourceValue"]))
def test_the_text_of_a_source_value_is_kept_byte_for_byte(
    source: str, white: str, name: str
) -> None:
    pair = f'{{{white}"{name}"{white}:{white}{source}{white}}}'
    for payload in (
        f'{{"id":"a","job_status"{white}:{white}{pair}{white}}}',
        f'{{"event":"ats_jobs.x","event_data":{{"job_status":{pair}}}}}',
        f'{{"data":[{{"id":1,"job_status":{pair}}}]}}',
    ):
        (event,) = events_in(payload)
        kept = None if source == "null" else source
        assert event["job_status"]["source_value_json"] == kept
        assert event["job_status"]["source_value_type"] == kind_of(source.encode())


@pytest.mark.parametrize(
    "source",
    [
        "9" * 5000,
        str(2**53 + 1),
        str(2**63 + 1),
        "1e400",
        "-0.0",
        r'"\u0000\/\ud83d\ude00"',
        "0.10",
    ],
)
def test_numbers_and_escapes_keep_their_text(source: str) -> None:
    (event,) = events_in(f'{{"id":"a","job_status":{{"source_value":{source}}}}}')
    assert event["job_status"]["source_value_json"] == source
    (event,) = events_in(f'{{"id":"a","job_status":{source}}}')
    assert event["job_status"]["source_value_json"] == source


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_given_value_is_decoded(text: str) -> None:
    assert status_text(json.dumps({"value": text}).encode()).given_value == text
