"""Feeds the kernel with texts between pages that may not be read: a stray access is a crash.

    python -m tests.transforms.kernel.guarded --payloads 20000 --seed 1

Each text, with its padding, stands once right before such a page and once right after one. So does
the memory that the kernel writes.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
from typing import Any

import numpy as np

from tests.fuzz import payloads
from tests.transforms.kernel.rows import NO_CONTEXT_TEXTS
from transforms.kernel.buffers import PADDING
from transforms.kernel.encoding import RecordEncoder
from transforms.kernel.finishing import Combinations
from transforms.kernel.lines import split
from transforms.kernel.pages import PageFinder
from transforms.kernel.rows import Rows
from transforms.kernel.scanning import Scanner

_PAGE = mmap.PAGESIZE
_NO_ACCESS = 0
_LIBC = ctypes.CDLL(None, use_errno=True)
_BATCH = 20
_held: list[mmap.mmap] = []


def guarded(size: int, at_end: bool) -> np.ndarray:
    """Returns memory that ends right before a page without access, or starts right after one."""
    pages = -(-size // _PAGE)
    memory = mmap.mmap(-1, (pages + 2) * _PAGE)
    # It is never unmapped: arrays point into it.
    _held.append(memory)
    whole = np.frombuffer(memory, np.uint8)
    address = whole.__array_interface__["data"][0]
    for page in (0, pages + 1):
        done = _LIBC.mprotect(ctypes.c_void_p(address + page * _PAGE), _PAGE, _NO_ACCESS)
        assert done == 0, ctypes.get_errno()
    start = (pages + 1) * _PAGE - size if at_end else _PAGE
    return whole[start : start + size]


def _copied(text: bytes, at_end: bool) -> Any:
    copy = guarded(len(text), at_end)
    copy[:] = np.frombuffer(text, np.uint8)
    return copy


class _Kernel:
    """The kernel with guarded memory to write to."""

    def __init__(self, at_end: bool) -> None:
        self.scanner, self.pages = Scanner(), PageFinder()
        self.table, self.encoder = Combinations(), RecordEncoder()
        self.scanner._scratch = guarded(len(self.scanner._scratch), at_end)
        for name in ("_arena", "_memory", "_scratch"):
            setattr(self.table, name, guarded(len(getattr(self.table, name)), at_end))
        self.encoder._out = guarded(len(self.encoder._out), at_end)

    def run(self, text: Any, starts: np.ndarray, ends: np.ndarray, line_feed: int) -> int:
        """Scans, finishes and encodes the payloads of a text. Returns the number of events."""
        scanned = self.scanner.scan(text, starts, ends, line_feed)
        of = scanned.payload_of
        count = len(of)
        rows = Rows(text, scanned.places, starts[of], np.zeros(count, np.int32))
        events = self.table.finish(rows, NO_CONTEXT_TEXTS)
        for _ in range(len(self.encoder._places), len(self.table)):
            self.encoder.add_fragment(b"x")
        self.encoder.encode(events, "source")
        for number in scanned.others.tolist():
            page = self.pages.find(text, int(starts[number]), int(ends[number]), line_feed)
            if page is not None:
                start = page.start
                while start:
                    start = self.pages.scan(text, start, line_feed, 1000, 1 << 10).next
                    count += 1
        return count


def check(count: int, seed: int) -> int:
    """Runs mutated payloads, and all ways to truncate one, as lines and as documents.

    Returns:
        The number of events and pages.
    """
    batch: list[bytes] = []
    kernels = [_Kernel(at_end=True), _Kernel(at_end=False)]
    found = 0
    whole = b'{"id":"\\u00e9","x":[-1.5e+7,true,null,{"\xc3\xa9":"\\ud83d\\ude00"}],"created_at":"'
    whole += b'2025-05-01T10:00:00.123+01:00"}'
    truncated = [whole[:length] for length in range(len(whole) + 1)]
    for payload in [*truncated, *payloads(count, seed)]:
        batch.append(payload)
        if len(batch) == (1 if len(payload) <= len(whole) else _BATCH):
            found += _check_batch(batch, kernels)
            batch = []
    return found + _check_batch(batch, kernels)


def _check_batch(batch: list[bytes], kernels: list[_Kernel]) -> int:
    found = 0
    for separator, line_feed in ((b"\n", ord(" ")), (b"\0", ord("\n"))):
        joined = separator.join(batch)
        sizes = np.array([len(payload) for payload in batch], np.int64)
        ends = np.cumsum(sizes + 1) - 1
        for kernel, at_end in zip(kernels, (True, False), strict=True):
            text = _copied(joined + (separator * (separator == b"\0")) + PADDING, at_end)
            found += kernel.run(text, ends - sizes, ends, line_feed)
            address = text.__array_interface__["data"][0]
            split(address, 0, len(joined), np.empty(100, np.int64), np.empty(100, np.int64))
        for memory in _held[-2:]:
            _release(memory)
    return found


def _release(memory: mmap.mmap) -> None:
    """Gives the pages of a text back, but not their addresses: nothing else gets them."""
    memory.madvise(mmap.MADV_DONTNEED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--payloads", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{check(options.payloads, options.seed)} events and pages, no stray access")
