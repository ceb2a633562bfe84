"""A cache with bounded memory for results of untrusted input."""

from __future__ import annotations

from sys import getsizeof
from typing import Final, Generic, TypeVar

_MAX_ENTRIES: Final = 32_768
_MAX_ENTRY_BYTES: Final = 8_192
_MAX_TOTAL_BYTES: Final = 16_000_000

Key = tuple[str | None, ...]
_T = TypeVar("_T")


class BoundedMemory(Generic[_T]):
    """Maps keys to results. The entries and their bytes are bounded: a full memory is emptied.

    A long text is not stored, so hostile data can cost time but no memory.
    """

    __slots__ = ("_entries", "_size", "get")

    def __init__(self) -> None:
        self._entries: dict[Key, _T] = {}
        self._size = 0
        self.get = self._entries.get

    def put(self, key: Key, result: _T, text: str | None) -> None:
        """Stores a result; `text` is the text that the result contains."""
        size = sum(map(getsizeof, key)) + getsizeof(text)
        if size <= _MAX_ENTRY_BYTES:
            if len(self._entries) >= _MAX_ENTRIES or self._size + size > _MAX_TOTAL_BYTES:
                self._entries.clear()
                self._size = 0
            self._entries[key] = result
            self._size += size
