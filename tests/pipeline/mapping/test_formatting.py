"""The quotes of texts in the output of `job-status mapping`."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mapping.formatting import quoted, yaml_scalar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Offen", '"Offen"'),
        ("é 😀", '"é 😀"'),
        ('a "b" \\', '"a \\"b\\" \\\\"'),
        ("a\nb", '"a\\nb"'),
        ("\u202e\u2028", '"\\U0000202E\\U00002028"'),
    ],
)
def test_a_quoted_text_has_only_printable_characters(text: str, expected: str) -> None:
    assert quoted(text) == expected
    assert quoted(text).isprintable()


@pytest.mark.parametrize("text", ["on hold", "Fermé", "open-2"])
def test_a_text_has_no_quotes_if_yaml_needs_none(text: str) -> None:
    assert yaml_scalar(text) == text


@pytest.mark.parametrize("text", ["on", "null", "010", "2024-01-01", "a: b", "[x]", "#", "", " a"])
def test_a_text_has_quotes_if_yaml_would_convert_it(text: str) -> None:
    assert yaml_scalar(text) == quoted(text)


@given(st.text(st.characters(codec="utf-8")))
def test_yaml_reads_the_same_text(text: str) -> None:
    assert yaml.safe_load(f"[{yaml_scalar(text)}]") == [text]
    assert yaml.safe_load(f"[{quoted(text)}]") == [text]
