"""PullSize: bounds the bytes of a pull."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transforms.pubsub.client import MAX_MESSAGES
from transforms.pubsub.pull import PullSize


@given(
    st.integers(1, 100_000_000),
    st.lists(st.lists(st.integers(0, 10_000_000), max_size=5), max_size=20),
)
def test_the_pull_size_fits_if_no_message_is_larger_than_before(
    limit: int, pulls: list[list[int]]
) -> None:
    pull_size = PullSize(limit)
    for sizes in pulls:
        assert 1 <= pull_size.max_messages() <= MAX_MESSAGES
        pull_size.observe(sizes)
        if sizes:
            assert pull_size.max_messages() == 1 or pull_size.max_messages() * max(sizes) <= limit


def test_the_effect_of_a_large_message_fades() -> None:
    pull_size = PullSize(32 << 20)
    pull_size.observe([9_000_000])
    assert pull_size.max_messages() == 3
    for _ in range(12):
        pull_size.observe([400])
    assert pull_size.max_messages() == MAX_MESSAGES
