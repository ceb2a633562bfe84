"""How two spellings of a status are found to be the same.

Providers write one status as `ON_HOLD`, `on-hold`, `onHold` or `On  hold`, and languages add
accents that some systems drop. Everything here is pure, never raises and takes time linear in the
text, whatever the text is: statuses come from outside.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import filterfalse
from typing import Final, NamedTuple
from unicodedata import category, combining, normalize

MAX_LABEL: Final = 256
"""Characters that a normalised text may have and still be looked up."""

OVERLONG: Final = "\0"
"""What stands for a text that is too long: equal to no label, as control characters go."""

_MAX_CLEAN: Final = 16 * MAX_LABEL
"""Characters that a cleaned text may have: nothing that a person wrote shrinks to a sixteenth."""

_MAX_MARKS: Final = 30
"""Combining marks in a row (the limit of Unicode's stream-safe text format, UAX #15).

Putting marks into canonical order takes a time quadratic in the length of their run: five million
of them would keep a worker busy for hours.
"""

_MAX_KNOWN_CHARACTERS: Final = 20_000
_DOT_ABOVE: Final = "\u0307"
_DOTLESS_I: Final = "\u0131"
_DOTS: Final = re.compile(_DOT_ABOVE + "{2,}")
_SPACES: Final = re.compile(f" [ {_DOT_ABOVE}]+")
_MANY_MARKS: Final = re.compile(rb"[^\x00]{%d}" % (_MAX_MARKS + 1))
_ASCII_BOUNDARY: Final = re.compile("(?<=[a-z])(?=[A-Z])")


class Spellings(NamedTuple):
    """The forms in which a text is looked up, in this order.

    Attributes:
        plain: The normalised text.
        split: The same, of the text cut at its lower-to-upper boundaries (`onHold`).
        bare: `plain` without accents.
        bare_split: `split` without accents.
    """

    plain: str
    split: str
    bare: str
    bare_split: str


class _Cleaner(dict[int, str]):
    """Maps separators to a space and invisible characters to nothing, for `str.translate`."""

    def __missing__(self, point: int) -> str:
        cleaned = _cleaned_character(chr(point))
        if len(self) < _MAX_KNOWN_CHARACTERS:
            self[point] = cleaned
        return cleaned


def normalise_label(text: str) -> str:
    """Normalises a text, so that spellings of one status become equal.

    Compatibility forms are unified (NFKC); white space, `_`, `-`, `.`, `/` and dashes become
    a space, other control and format characters go; case is folded, and the dot that folding
    a Turkish capital i leaves goes, as does the lack of one; runs of spaces become one, and none
    stand at the ends.

    Args:
        text: Any text.

    Returns:
        The normalised text; empty if the text says nothing; `OVERLONG` if it has over `MAX_LABEL`
        characters or was never meant to be read (dozens of combining marks in a row).
    """
    cleaned = _clean(text)
    return OVERLONG if cleaned is None else _fold(cleaned)


def spellings(text: str) -> Spellings:
    """Returns the forms in which a text is looked up; all are `OVERLONG` where the text is."""
    # One search asks for them in several tables, one after the other.
    return _recent_spellings(text) if len(text) <= _LONGEST_KNOWN else _spellings(text)


_LONGEST_KNOWN: Final = 100


@lru_cache(maxsize=64)
def _recent_spellings(text: str) -> Spellings:
    return _spellings(text)


def _spellings(text: str) -> Spellings:
    cleaned = _clean(text)
    plain = OVERLONG if cleaned is None else _fold(cleaned)
    if cleaned is None or plain is OVERLONG:
        return Spellings(OVERLONG, OVERLONG, OVERLONG, OVERLONG)
    cut = _split(cleaned)
    split = plain if cut == cleaned else _fold(cut)
    bare = without_accents(plain)
    return Spellings(plain, split, bare, bare if split is plain else without_accents(split))


def without_accents(normalised: str) -> str:
    """Takes the combining marks off a normalised text (`publié` becomes `publie`)."""
    if normalised.isascii():
        return normalised
    letters = "".join(filterfalse(combining, normalize("NFD", normalised)))
    return " ".join(normalize("NFKC", letters).split())


def provider_key(name: str) -> str:
    """Returns what a provider's names have in common: no case, spaces or punctuation.

    Args:
        name: A provider's name as an event or a person writes it (`SAP SuccessFactors`).

    Returns:
        Letters and digits in folded case (`sapsuccessfactors`); empty where there are none.
    """
    # Data has few providers, each of them in every event; a long name is none of them.
    return _known_provider_key(name) if len(name) <= _LONGEST_KNOWN else _provider_key(name)


@lru_cache(maxsize=1024)
def _known_provider_key(name: str) -> str:
    return _provider_key(name)


def _provider_key(name: str) -> str:
    folded = normalise_label(name)
    return folded if folded.isalnum() else "".join(c for c in folded if c.isalnum())


def _cleaned_character(character: str) -> str:
    if character in "_-./\u2053\u2212" or character.isspace() or category(character) == "Pd":
        return " "
    return "" if category(character) in ("Cc", "Cf") else character


_CLEANER: Final = _Cleaner({point: _cleaned_character(chr(point)) for point in range(0x250)})


def _clean(text: str) -> str | None:
    """Unifies compatibility forms, separators and invisible characters.

    Returns:
        The cleaned text, or None if more than `_MAX_CLEAN` characters are left, or there are more
        than `_MAX_MARKS` marks in a row.
    """
    if len(text) <= _MAX_MARKS or (len(text) <= _MAX_CLEAN and text.isascii()):
        return normalize("NFKC", text).translate(_CLEANER)
    pieces: list[str] = []
    size = 0
    for start in range(0, len(text), _MAX_CLEAN):
        piece = _DOTS.sub(_DOT_ABOVE, text[start : start + _MAX_CLEAN])
        if _has_many_marks(piece):
            return None
        piece = _SPACES.sub(" ", normalize("NFKC", piece).translate(_CLEANER))
        if not piece.replace(_DOT_ABOVE, "").strip():
            piece = " " if piece and pieces[-1:] != [" "] else ""
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_CLEAN:
            return None
    # Marks may meet across pieces.
    return normalize("NFKC", "".join(pieces))


def _has_many_marks(text: str) -> bool:
    return not text.isascii() and _MANY_MARKS.search(bytes(map(combining, text))) is not None


def _fold(cleaned: str) -> str:
    folded = cleaned.casefold()
    if not folded.isascii():
        folded = folded.replace(_DOT_ABOVE, "").replace(_DOTLESS_I, "i")
        # Folding takes some letters apart that composed text has as one.
        folded = normalize("NFKC", folded)
    folded = " ".join(folded.split())
    return folded if len(folded) <= MAX_LABEL else OVERLONG


def _split(cleaned: str) -> str:
    """Puts a space between a lower-case letter, its marks included, and an upper-case one."""
    if cleaned.islower():
        return cleaned
    if cleaned.isascii():
        return _ASCII_BOUNDARY.sub(" ", cleaned)
    parts: list[str] = []
    start = 0
    for position, character in enumerate(cleaned):
        if character.isupper() and _follows_lower_case(cleaned, position):
            parts.append(cleaned[start:position])
            start = position
    return " ".join([*parts, cleaned[start:]]) if parts else cleaned


def _follows_lower_case(text: str, position: int) -> bool:
    while position > 0 and combining(text[position - 1]):
        position -= 1
    return position > 0 and text[position - 1].islower()
