"""Finds the line numbers of offsets in a file, as people and editors count them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from schemas.errors import InputError
from transforms.read.compression import MAGIC_BYTES, content_chunks, detect_codec
from transforms.read.damage import DamagedInputError
from transforms.storage import file_paths, filesystem

_MAX_OFFSET = 1 << 30
"""Lines further on are not counted: that would take seconds."""


def line_numbers(path: str, offsets: Iterable[int]) -> dict[int, int]:
    """Returns the line number, from 1, of each offset in bytes after decompression.

    Leaves out offsets that the file does not hold, or that are behind the first GiB; all of them if
    the file is not on this machine or cannot be read.
    """
    todo = sorted((each for each in set(offsets) if each <= _MAX_OFFSET), reverse=True)
    lines: dict[int, int] = {}
    if not todo or not file_paths.is_local(path):
        return lines
    with (
        suppress(InputError, DamagedInputError, OSError),
        filesystem.open_for_reading(path) as file,
    ):
        codec = detect_codec(path, file.read(MAGIC_BYTES))
        file.seek(0)
        start, line = 0, 1
        for chunk in content_chunks(file, codec, filesystem.size(path)):
            end = start + len(chunk)
            while todo and todo[-1] < end:
                offset = todo.pop()
                lines[offset] = line + chunk.count(b"\n", 0, offset - start)
            if not todo:
                break
            line += chunk.count(b"\n")
            start = end
    return lines
