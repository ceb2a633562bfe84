"""Finds the faults that make a text unreadable to a JSON decoder, and the parts that have them.

One bad job must not cost a page of a thousand jobs. So the faults of a page are masked to find its
jobs, and only the jobs with a fault are rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from transforms.json import (
    MAX_NESTING,
    depth,
    mask_depth,
    mask_invalid_utf8,
    mask_lone_surrogates,
    may_be_deeper,
)


class Fault(NamedTuple):
    """A reason why a text cannot be read, with an error code of the dead letter schema.

    The message is for people and never holds a value of the data.
    """

    code: str
    message: str


TOO_DEEP = Fault("TOO_DEEP", f"nested more than {MAX_NESTING} deep")
LONE_SURROGATE = Fault(
    "LONE_SURROGATE", "an escape is half of a surrogate pair, which is no character"
)


def find_fault(text: bytes) -> Fault | None:
    """Finds the faults that a decoder does not check: invalid UTF-8 and too deep nesting."""
    fault = None if text.isascii() else invalid_utf8(text)
    if fault is None and may_be_deeper(text, MAX_NESTING) and depth(text) > MAX_NESTING:
        return TOO_DEEP
    return fault


@dataclass(frozen=True, slots=True)
class Mask:
    """A payload with faults, and its copies in which one more kind of fault is masked.

    Attributes:
        stages: The payload; then without invalid UTF-8, deep nesting and lone surrogates, in turn.
        offset: Offset of the payload in the source.
    """

    stages: list[bytes]
    offset: int

    @staticmethod
    def of(payload: bytes, offset: int) -> Mask:
        """Masks the faults of a payload at an offset of the source."""
        utf8 = mask_invalid_utf8(payload)
        shallow = mask_depth(utf8, MAX_NESTING)
        return Mask([payload, utf8, shallow, mask_lone_surrogates(shallow)], offset)

    def fault(self, start: int, end: int) -> Fault | None:
        """Returns the first fault in the bytes [start, end) of the source, or None."""
        part = slice(start - self.offset, end - self.offset)
        for fault, (before, after) in zip(
            (None, TOO_DEEP, LONE_SURROGATE), pairwise(self.stages), strict=True
        ):
            if before is not after and before[part] != after[part]:
                return fault or invalid_utf8(self.stages[0][part])
        return None


def invalid_utf8(text: bytes) -> Fault | None:
    """Returns the fault of a text that is not UTF-8, or None."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return Fault("INVALID_UTF8", f"byte {error.start} is not valid UTF-8")
    return None
