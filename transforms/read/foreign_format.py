"""Recognises files that are not JSON by their first bytes, so that they are reported as such."""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE

from transforms.read.file_format import without_mark

_MAGICS = {
    b"PK\x03\x04": "a zip archive; extract it first",
    b"PK\x05\x06": "an empty zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; extract it first",
    b"PAR1": "a Parquet file; export it as JSON Lines first",
    b"ORC": "an ORC file; export it as JSON Lines first",
    b"Obj\x01": "an Avro file; export it as JSON Lines first, or run dead letters with `replay`",
    b"\x04\x22\x4d\x18": "compressed by lz4; decompress it first (lz4 -d)",
    b"\x1f\x9d": "compressed by compress (.Z); decompress it first (uncompress)",
}
_TAR_MAGIC, _TAR_MAGIC_OFFSET = b"ustar", 257

# The longer marks first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = {
    BOM_UTF32_LE: "UTF-32",
    BOM_UTF32_BE: "UTF-32",
    BOM_UTF16_LE: "UTF-16",
    BOM_UTF16_BE: "UTF-16",
}
# JSON begins with two ASCII characters, so zero bytes show the encoding (RFC 4627, section 3).
_ZEROS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "UTF-32LE",
    (True, True, True, False): "UTF-32BE",
    (False, True, False, True): "UTF-16LE",
    (True, False, True, False): "UTF-16BE",
}

_CSV_PROBE_LINES = 20
_CSV_NAME = re.compile(r"[A-Za-z_][\w .-]{0,63}")


def foreign_format(head: bytes) -> str | None:
    """Recognises a format that is not JSON.

    JSON Lines are never recognised as another format, even if the first line is not JSON.

    Args:
        head: The first bytes of a file after decompression, at least 512 or all of them.

    Returns:
        What the file is and what to do with it, as the rest of "it is …"; None if it may be JSON.
    """
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return _encoded(encoding)
    for magic, description in _MAGICS.items():
        if head.startswith(magic):
            return description
    if head.startswith(_TAR_MAGIC, _TAR_MAGIC_OFFSET):
        return "a tar archive; extract it first"
    unmarked = _ZEROS.get(tuple(byte == 0 for byte in head[:4]))
    if unmarked is not None:
        return _encoded(unmarked)
    return "a CSV file; convert it to JSON Lines first" if _is_csv(head) else None


def _encoded(encoding: str) -> str:
    return f"{encoding} text; convert it first (iconv -f {encoding} -t UTF-8)"


def _is_csv(head: bytes) -> bool:
    """Returns True for a line of distinct column names, and lines of as many cells after it."""
    text = without_mark(head).decode("utf-8", "replace")
    lines = [line for line in text.splitlines()[: _CSV_PROBE_LINES + 1] if line.strip()]
    lines = lines[:_CSV_PROBE_LINES]
    if not lines or any(line.lstrip().startswith(("{", "[")) for line in lines):
        return False
    return any(_has_columns(lines, delimiter) for delimiter in ",;\t|")


def _has_columns(lines: list[str], delimiter: str) -> bool:
    try:
        names, *rows = csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return False
    if len(names) < 2 or len(set(names)) < len(names) or not all(map(_CSV_NAME.fullmatch, names)):
        return False
    # The last line of the head may be truncated.
    return all(len(row) == len(names) for row in rows[:-1] or rows)
