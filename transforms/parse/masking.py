"""What makes a text unreadable to any JSON decoder, and which part of the text it is.

A page of a thousand jobs must not be lost to one of them. So its faults are covered up to find its
jobs, and only those that have a fault are rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from transforms.json import (
    depth,
    mask_depth,
    mask_invalid_utf8,
    mask_lone_surrogates,
    may_be_deeper,
)

MAX_DEPTH = 200
"""The deepest nesting that is read. A parser's own limit depends on the stack."""


class Fault(NamedTuple):
    """What makes a text unreadable.

    Attributes:
        code: One of the error codes of the dead letter schema.
        message: What is wrong, for people. Never holds a value of the data.
    """

    code: str
    message: str


TOO_DEEP = Fault("TOO_DEEP", f"nested more than {MAX_DEPTH} deep")
LONE_SURROGATE = Fault(
    "LONE_SURROGATE", "an escape is half of a surrogate pair, which is no character"
)


def fault_of(text: bytes) -> Fault | None:
    """Finds what a decoder does not look for itself: invalid UTF-8 and nesting that is too deep."""
    fault = None if text.isascii() else _invalid_utf8(text)
    if fault is None and may_be_deeper(text, MAX_DEPTH) and depth(text) > MAX_DEPTH:
        return TOO_DEEP
    return fault


@dataclass(frozen=True, slots=True)
class Mask:
    """A payload with faults, and stage by stage the same with one kind of them covered up."""

    stages: list[bytes]
    offset: int

    @staticmethod
    def of(payload: bytes, offset: int) -> Mask:
        """Covers up the faults of a payload that begins at an offset of the source."""
        stages = [payload]
        stages.append(mask_invalid_utf8(stages[-1]))
        stages.append(mask_depth(stages[-1], MAX_DEPTH))
        stages.append(mask_lone_surrogates(stages[-1]))
        return Mask(stages, offset)

    def fault(self, start: int, end: int) -> Fault | None:
        """What is wrong with a part of the source, if anything."""
        part = slice(start - self.offset, end - self.offset)
        for fault, (before, after) in zip(
            (None, TOO_DEEP, LONE_SURROGATE), pairwise(self.stages), strict=True
        ):
            if before is not after and before[part] != after[part]:
                return fault or _invalid_utf8(self.stages[0][part])
        return None


def _invalid_utf8(text: bytes) -> Fault | None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return Fault("INVALID_UTF8", f"byte {error.start} is not valid UTF-8")
    return None
