"""The memory of a deriver is bounded."""

from __future__ import annotations

import tracemalloc

import pytest

from schemas.mapping.tables import load_mapping
from tests.transforms.derive_cases import inputs
from transforms.derive import memory
from transforms.derive.lookup import Hit, RuleLookup
from transforms.derive.rules import Deriver

MAPPING = load_mapping()


def test_a_full_memory_is_emptied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up: list[bytes] = []
    original = RuleLookup.source

    def counted(self: RuleLookup, json: bytes, path: str) -> Hit | None:
        looked_up.append(json)
        return original(self, json, path)

    monkeypatch.setattr(RuleLookup, "source", counted)
    monkeypatch.setattr(memory, "_MAX_ENTRIES", 3)
    deriver = Deriver(MAPPING)
    for name in ("1", "2", "3", "2"):
        deriver(**inputs(name))
    assert looked_up == [b"1", b"2", b"3"]
    deriver(**inputs("4"))
    deriver(**inputs("1"))
    assert looked_up == [b"1", b"2", b"3", b"4", b"1"]


def test_the_memory_is_bounded_for_many_and_long_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "_MAX_TOTAL_BYTES", 1_000_000)
    deriver = Deriver(MAPPING)
    tracemalloc.start()
    for number in range(1_000):
        deriver(**inputs(f'"{number:03000}"'))
        deriver(**inputs(f'"{number:020000}"'))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4_000_000
