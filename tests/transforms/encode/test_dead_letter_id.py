"""Letters of one rejection have one identity, and distinct letters have distinct ones."""

from __future__ import annotations

from hashlib import blake2b
from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from transforms.encode.dead_letter_id import dead_letter_id

_Fields: TypeAlias = tuple[str | None, str | None, int | None, str | None, str, int]

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
_LETTERS = st.tuples(
    st.none() | _TEXTS,
    st.none() | _TEXTS,
    st.none() | st.integers(0, 1 << 62),
    st.none() | _TEXTS,
    st.sampled_from(["", "ab" * 32]),
    st.integers(0, 9),
)


@given(_LETTERS)
def test_the_identity_is_the_specified_digest(fields: _Fields) -> None:
    digest = blake2b(digest_size=16, person=b"job-status/dl")
    for field in fields:
        if field is None:
            digest.update(bytes([0]))
        else:
            digest.update(bytes([1]) + len(str(field).encode()).to_bytes(4, "big"))
            digest.update(str(field).encode())
    assert dead_letter_id(*fields) == digest.hexdigest()


@given(st.sets(_LETTERS))
def test_distinct_letters_have_distinct_identities(letters: set[_Fields]) -> None:
    assert len({dead_letter_id(*fields) for fields in letters}) == len(letters)


def test_the_identity_of_a_known_letter_never_changes() -> None:
    # Existing outputs depend on this value.
    known = dead_letter_id("projects/p/subscriptions/s", "17", 0, "$.id", "ab" * 32, 0)
    assert known == "88d0773a40a6ef0161b75ecc70f71d2b"
