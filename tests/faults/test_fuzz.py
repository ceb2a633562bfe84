"""Mutated payloads through the real steps: no crash, one outcome each, a balanced ledger."""

from __future__ import annotations

import pytest

from tests.fuzz import fuzz, payloads


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_mutated_payload_breaks_a_promise(seed: int) -> None:
    result = fuzz(1000, seed)
    assert result.errors == []
    assert result.payloads == 1000
    # Most payloads are compared with a plain reader, and every kind of outcome occurs.
    assert result.compared > 700
    assert {"event", "ignored", "INVALID_JSON", "INVALID_UTF8", "TOO_DEEP", "WRONG_TYPE",
            "NOT_AN_EVENT", "LONE_SURROGATE"} == result.outcomes.keys()  # fmt: skip


def test_the_same_seed_makes_the_same_payloads() -> None:
    assert list(payloads(50, 7)) == list(payloads(50, 7)) != list(payloads(50, 8))
