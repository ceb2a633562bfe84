"""The error for a mapping file, and the hints about similar words."""

from __future__ import annotations

import pickle

import pytest

from schemas.errors import UsageError
from schemas.mapping.file import parse_mapping
from schemas.mapping.problems import MappingError, nearest, similar


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


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("lever_hiring", "lever"),
        ("LeverHiring", "lever"),
        ("workable-ats", "workable"),
        ("greenhouserecruiting", "greenhouse"),
        ("leever", "lever"),
    ],
)
def test_a_known_word_within_the_text_is_nearest(word: str, expected: str) -> None:
    assert nearest(word, ["greenhouse", "lever", "clever", "workable"]) == expected


@pytest.mark.parametrize("word", ["jobseeker", "information system", "seekers of gold", "a b c"])
def test_a_part_of_a_longer_word_is_not_near(word: str) -> None:
    assert similar(word, ["seek", "infor", "b"], 3) == []


def test_contained_words_come_first_and_the_longest_of_them() -> None:
    known = ["open", "closed", "sourcing", "sourced"]
    assert similar("Open - Sourcing", known, 3) == ["sourcing", "open"]
    assert similar("open sourced", known, 1) == ["sourced"]
    assert similar("on hold today", ["on hold todaz", "on hold"], 2) == ["on hold", "on hold todaz"]
