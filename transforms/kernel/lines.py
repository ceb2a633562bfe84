"""Splits a text into lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from transforms.kernel.buffers import Int64s, Int64Vector, address_of
from transforms.kernel.compiling import entry
from transforms.kernel.json_text import CR, SPACE, white_end
from transforms.kernel.octets import VECTOR_BYTES, byte_at, first_bit, line_feeds


@entry
def split(
    text: int, start: int, stop: int, starts: Int64Vector, ends: Int64Vector
) -> tuple[int, int]:
    """Splits the bytes [start, stop) of a text into lines that are not blank.

    Args:
        text: Address of the text.
        start: In bytes.
        stop: The end of the text before the padding, or the byte after any line end.
        starts: Takes where each line starts.
        ends: Takes where each line ends, without its LF and a CR before it.

    Returns:
        The number of lines, and where the next line starts: at `stop` or after it unless there are
        more lines than places for them.
    """
    at, end = text + start, text + stop
    count = 0
    while at < end and count < len(starts):
        line = at
        found = line_feeds(at)
        while found == 0:
            at += VECTOR_BYTES
            found = line_feeds(at)
        at += first_bit(found) + 1
        if byte_at(line) <= SPACE and white_end(line, SPACE) >= at - 1:
            continue
        starts[count] = line - text
        ends[count] = at - 1 - text
        if byte_at(at - 2) == CR:
            ends[count] -= 1
        count += 1
    return count, at - text


class Lines(NamedTuple):
    """Lines of a text that are not blank, without their line ends.

    Attributes:
        starts: Where each starts, in bytes.
        ends: Where each ends.
        stop: Where the next line starts.
    """

    starts: Int64s
    ends: Int64s
    stop: int


def split_lines(text: bytes, stop: int, most: int) -> Iterator[Lines]:
    """Splits the bytes [0, stop) of a padded text into parts of at most `most` lines.

    The last line may have no line end. A part may have no line, if all are blank.
    """
    start = 0
    while start < stop:
        starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
        count, start = split(address_of(text), start, stop, starts, ends)
        start = min(start, stop)
        yield Lines(starts[:count], ends[:count], start)
