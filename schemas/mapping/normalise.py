"""Normalises texts, so that all spellings of a status and of a provider's name become equal.

Providers write one status as `ON_HOLD`, `on-hold`, `onHold` or `On  hold`, and some systems drop
the accents of a language. The texts are untrusted: every function is pure, never raises, and runs
in a time linear in the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import filterfalse
from typing import Final, NamedTuple
from unicodedata import category, combining, normalize

MAX_LABEL: Final = 256
"""The longest normalised text that can have a rule, in characters."""

OVERLONG: Final = "\0"
"""Replaces a text that is too long. No label equals it: labels have no control characters."""

_MAX_CLEAN: Final = 16 * MAX_LABEL
"""The longest cleaned text that is folded, in characters: no real text shrinks to a sixteenth."""

_MAX_MARKS: Final = 30
"""Combining marks in a row (the limit of Unicode's stream-safe text format, UAX #15).

Sorting marks into canonical order needs a time quadratic in the length of their run: five million
of them would keep a worker busy for hours.
"""

_MAX_CACHED_CHARACTERS: Final = 20_000
_MAX_CACHED_TEXT: Final = 100
_DOT_ABOVE: Final = "\u0307"
_DOTLESS_I: Final = "\u0131"
_DOTS: Final = re.compile(_DOT_ABOVE + "{2,}")
_SPACES: Final = re.compile(f" [ {_DOT_ABOVE}]+")
_MANY_MARKS: Final = re.compile(rb"[^\x00]{%d}" % (_MAX_MARKS + 1))
_ASCII_BOUNDARY: Final = re.compile("(?<=[a-z])(?=[A-Z])")
_BETWEEN_WORDS: Final = re.compile(r"[\s_.()\[\]{}-]+")

PROVIDER_SUFFIXES: Final = frozenset(
    {"sandbox", "staging", "test", "partner", "basic", "oauth", "api", "v1", "v2", "v3"}
    | {"com", "io", "co", "eu", "us"}
)
"""Last words of a provider's name that say nothing about its system."""


class Spellings(NamedTuple):
    """The forms of a text that are compared with labels, in this order.

    Attributes:
        plain: The normalised text.
        split: The normalised text with a space at each lower-to-upper boundary (`onHold`).
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
        if len(self) < _MAX_CACHED_CHARACTERS:
            self[point] = cleaned
        return cleaned


def normalise_label(text: str) -> str:
    """Normalises a text, so that spellings of one status become equal.

    Compatibility forms are unified (NFKC). White space, `_`, `-`, `.`, `/` and dashes become
    a space; other control and format characters are removed. Case is folded; the dot of a Turkish
    capital i is removed, and a dotless i gets one. Runs of spaces become one space; none stays at
    the ends.

    Returns:
        The normalised text; empty if nothing is left; `OVERLONG` if it has over `MAX_LABEL`
        characters or cannot be real text (dozens of combining marks in a row).
    """
    cleaned = _clean(text)
    return OVERLONG if cleaned is None else _fold(cleaned)


def spellings(text: str) -> Spellings:
    """Returns the forms to compare with labels; all are `OVERLONG` if the text is."""
    # One look-up needs them in several tables, one after the other.
    return _cached_spellings(text) if len(text) <= _MAX_CACHED_TEXT else _spellings(text)


def _spellings(text: str) -> Spellings:
    cleaned = _clean(text)
    plain = OVERLONG if cleaned is None else _fold(cleaned)
    if cleaned is None or plain is OVERLONG:
        return Spellings(OVERLONG, OVERLONG, OVERLONG, OVERLONG)
    cut = _split(cleaned)
    split = plain if cut == cleaned else _fold(cut)
    bare = without_accents(plain)
    return Spellings(plain, split, bare, bare if split is plain else without_accents(split))


_cached_spellings = lru_cache(64)(_spellings)


def without_accents(normalised: str) -> str:
    """Removes the combining marks of a normalised text (`publié` becomes `publie`)."""
    if normalised.isascii():
        return normalised
    letters = "".join(filterfalse(combining, normalize("NFD", normalised)))
    return " ".join(normalize("NFKC", letters).split())


def provider_key(name: str) -> str:
    """Returns the letters and digits of a provider's name in folded case; may be empty.

    All names of one provider have the same key: `SAP SuccessFactors` has `sapsuccessfactors`.
    """
    # Data has few providers, each in many events; a long name is none of them.
    return _cached_provider_key(name) if len(name) <= _MAX_CACHED_TEXT else _provider_key(name)


def _provider_key(name: str) -> str:
    folded = normalise_label(name)
    return folded if folded.isalnum() else "".join(c for c in folded if c.isalnum())


_cached_provider_key = lru_cache(1024)(_provider_key)


def provider_name_keys(name: str) -> tuple[str, ...]:
    """Returns the keys under which to search for the provider of an event, the best first.

    The first is the key of the whole name. The others lack its last words one after another, as
    long as these are PROVIDER_SUFFIXES: `workable.com (sandbox)` has `workablecomsandbox`,
    `workablecom` and `workable`. White space, `_`, `-`, `.` and brackets separate words.
    """
    if len(name) > _MAX_CACHED_TEXT:
        return (provider_key(name),)
    return _provider_name_keys(name)


@lru_cache(1024)
def _provider_name_keys(name: str) -> tuple[str, ...]:
    keys = [provider_key(name)]
    words = [word for word in _BETWEEN_WORDS.split(normalize("NFKC", name)) if word]
    while words and words[-1].casefold() in PROVIDER_SUFFIXES:
        words.pop()
        keys.append(provider_key(" ".join(words)))
    return tuple(keys)


def _cleaned_character(character: str) -> str:
    if character in "_-./\u2053\u2212" or character.isspace() or category(character) == "Pd":
        return " "
    return "" if category(character) in ("Cc", "Cf") else character


_CLEANER: Final = _Cleaner({point: _cleaned_character(chr(point)) for point in range(0x250)})


def _clean(text: str) -> str | None:
    """Unifies compatibility forms, separators and invisible characters.

    Returns None if over `_MAX_CLEAN` characters are left, or over `_MAX_MARKS` marks are in a row.
    """
    if len(text) <= _MAX_MARKS or (len(text) <= _MAX_CLEAN and text.isascii()):
        return normalize("NFKC", text).translate(_CLEANER)
    chunks: list[str] = []
    size = 0
    for start in range(0, len(text), _MAX_CLEAN):
        chunk = _DOTS.sub(_DOT_ABOVE, text[start : start + _MAX_CLEAN])
        if not chunk.isascii() and _MANY_MARKS.search(bytes(map(combining, chunk))):
            return None
        chunk = _SPACES.sub(" ", normalize("NFKC", chunk).translate(_CLEANER))
        if not chunk.replace(_DOT_ABOVE, "").strip():
            chunk = " " if chunk and chunks[-1:] != [" "] else ""
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_CLEAN:
            return None
    # Marks of two chunks may combine.
    return normalize("NFKC", "".join(chunks))


def _fold(cleaned: str) -> str:
    folded = cleaned.casefold()
    if not folded.isascii():
        folded = folded.replace(_DOT_ABOVE, "").replace(_DOTLESS_I, "i")
        # Folding decomposes some letters that NFKC composes.
        folded = normalize("NFKC", folded)
    folded = " ".join(folded.split())
    return folded if len(folded) <= MAX_LABEL else OVERLONG


def _split(cleaned: str) -> str:
    """Puts a space between a lower-case letter, its marks included, and an upper-case letter."""
    # The first letter follows no other, so it may be a capital.
    if cleaned[1:].islower():
        return cleaned
    if cleaned.isascii():
        return _ASCII_BOUNDARY.sub(" ", cleaned)
    return "".join(
        f" {character}"
        if character.isupper() and _follows_lower_case(cleaned, place)
        else character
        for place, character in enumerate(cleaned)
    )


def _follows_lower_case(text: str, position: int) -> bool:
    while position > 0 and combining(text[position - 1]):
        position -= 1
    return position > 0 and text[position - 1].islower()
