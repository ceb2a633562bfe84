"""The error for a mapping file, and the hints about similar words."""

from __future__ import annotations

import pickle

import pytest

from schemas.errors import UsageError
from schemas.mapping.file import parse_mapping
from schemas.mapping.problems import MappingError, nearest


def test_the_message_names_file_line_and_path() -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping("labels:\n  opne: [go]\n  clsed: [stop]", "dir/my.yaml")
    assert caught.value.message == "dir/my.yaml:2: labels: unknown value `opne`"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("Did you mean `open`? (1 more: ")
    assert len(str(caught.value).splitlines()) <= 3


def test_the_error_is_a_usage_error_and_survives_pickling() -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping("x", "my.yaml")
    assert isinstance(caught.value, UsageError)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.args, copy.exit_code) == (MappingError, caught.value.args, 2)
    assert copy.problems == caught.value.problems != ()


def test_nearest_finds_a_similar_word_or_none() -> None:
    assert nearest("GREENHOSE", ["lever", "greenhouse"]) == "greenhouse"
    assert nearest("acme", ["comeet", "lever"]) is None
    assert nearest("", ["lever"]) is None
