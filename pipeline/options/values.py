"""Parses the values of options as people write them: sizes with units, shares in percent."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from typing import Final

_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS_OF_1024: Final = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE: Final = re.compile(r"(-?\d+(?:\.\d+)?) ?([kmgt]i?)?(?:b|bytes)?", re.IGNORECASE)


def given(text: str) -> str:
    """Returns a text as it is; refuses an empty one, as an unset variable of a shell gives it."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the value is empty")
    return text


def size(text: str) -> int:
    """Parses a number of bytes, such as `10000000`, `10MB` or `64MiB`; a kB is 1,000 bytes."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size, such as 10000000, 10MB or 64MiB")
    number, unit = found[1], (found[2] or "").lower()
    factor = _UNITS.get(unit) or _UNITS_OF_1024[unit]
    return round(float(number) * factor) if "." in number else int(number) * factor


def short_size(size: int) -> str:
    """Returns a number of bytes as `size` parses it, in the largest whole unit: `10MB`."""
    units = [unit for unit, factor in _UNITS.items() if not size % factor]
    return f"{size // _UNITS[units[-1]]}{units[-1].upper()}{'B' if units[-1] else ''}"


def share(text: str) -> float:
    """Parses a share, such as `0.05` or `5%`."""
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share, such as 0.05 or 5%") from None


def utf8(text: str) -> str:
    """Returns a text for records, which are UTF-8."""
    given(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = repr(os.fsencode(text))[1:]
        raise argparse.ArgumentTypeError(f"{shown} is not UTF-8") from None
    return text


def number(kind: type[int] | type[float]) -> Callable[[str], float]:
    """Returns a parser of whole numbers, or of any numbers."""
    noun = "a whole number" if kind is int else "a number"

    def parse(text: str) -> float:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {noun}") from None

    return parse
