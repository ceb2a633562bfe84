"""The values of options as people write them."""

from __future__ import annotations

import pytest

from pipeline.options.values import short_size, size


@pytest.mark.parametrize(
    ("count", "text"),
    [(10_000_000, "10MB"), (256_000_000, "256MB"), (1_500_000, "1500KB"), (7, "7")],
)
def test_a_size_is_shown_in_the_largest_whole_unit_and_can_be_parsed(count: int, text: str) -> None:
    assert short_size(count) == text
    assert size(text) == count
