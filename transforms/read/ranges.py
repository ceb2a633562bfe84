"""Finds the files of patterns and splits them into ranges."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from transforms.read.compression import MAGIC_BYTES, content_chunks, detect_codec, first_bytes
from transforms.read.damage import READ_ERRORS, reason_of
from transforms.read.file_format import FileFormat, InputFormat, detect_file_format
from transforms.read.foreign_format import foreign_format
from transforms.read.limits import LEAST_RANGE_BYTES, PEEK_BYTES, RANGE_BYTES
from transforms.storage import file_paths, filesystem

_RANGES = 16
"""Ranges of a file of medium size. With fewer, local workers would have unequal shares of it."""


class FileRange(NamedTuple):
    """The lines of a file that start in [start, stop), or a whole file.

    Attributes:
        path: The file.
        start: In bytes.
        stop: In bytes; the length of the file for the last range.
        size: Length of the file in bytes when it was matched; later bytes are not read.
        file_format: How to read the file.
        codec: How the file is compressed, or None.
        damage: Why the file cannot be read at all, or None.
    """

    path: str
    start: int
    stop: int
    size: int
    file_format: FileFormat
    codec: str | None = None
    damage: str | None = None

    @property
    def has_unknown_end(self) -> bool:
        """True if only reading gives the length of the content; such a file is one range."""
        return bool(self.codec or self.damage) or self.file_format == "document"


def match_files(patterns: list[str]) -> filesystem.Matched:
    """Finds the files of all patterns, each file once, by the first name that matched.

    Raises:
        InputError: See `filesystem.match`.
    """
    return merged([filesystem.match(pattern) for pattern in patterns])


def merged(matches: list[filesystem.Matched]) -> filesystem.Matched:
    """Returns the files of several patterns, each file once.

    Symbolic links to a file or to a directory above it do not make it another file.
    """
    files: dict[str, filesystem.InputFile] = {}
    directories: set[str] = set()
    for matched in matches:
        for file in matched.files:
            files.setdefault(file_paths.real(file.path), file)
        directories.update(matched.directories)
    return filesystem.Matched(list(files.values()), sorted(directories))


def split_file(
    path: str, size: int, input_format: InputFormat, range_bytes: int = RANGE_BYTES
) -> list[FileRange]:
    """Splits a file of a size in bytes into ranges; an empty file has none.

    A range has at most `range_bytes`; a small file has smaller ranges. The input format `auto`
    detects the format of the file.
    """
    whole_file = FileRange(path, 0, size, size, "lines")
    try:
        with filesystem.open_for_reading(path) as file:
            codec = detect_codec(path, file.read(MAGIC_BYTES))
            if size == 0:
                return []
            file.seek(0)
            head = first_bytes(content_chunks(file, codec, size), PEEK_BYTES)
    except READ_ERRORS as error:
        return [whole_file._replace(damage=reason_of(error))]
    foreign = foreign_format(head)
    if codec is not None and detect_codec("", head) is not None:
        foreign = "compressed twice; decompress it once first"
    if foreign is not None:
        return [whole_file._replace(damage=f"it is {foreign}")]
    if input_format == "auto":
        input_format = detect_file_format(head[:PEEK_BYTES])
    whole_file = whole_file._replace(file_format=input_format, codec=codec)
    if whole_file.has_unknown_end:
        return [whole_file]
    step = min(range_bytes, max(ceil(size / _RANGES), LEAST_RANGE_BYTES))
    return [
        whole_file._replace(start=start, stop=min(start + step, size))
        for start in range(0, size, step)
    ]
