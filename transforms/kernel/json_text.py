"""Checks JSON text and finds the end of each value, as RFC 8259 and this project define JSON.

Rejects what the decoder of the slow path rejects, and what the project rejects: bytes that are not
UTF-8, lone surrogates, and nesting deeper than MAX_NESTING.

All functions take the address of a character and return the address after the value, or FAULTY.
None of them compares an address with the end of the text. A byte that no JSON value contains stops
every one of them: an LF after a line, a NUL after any text (see PADDING in `rows`).
`line_feed` is a byte that counts as white space beside space, tab and CR: LF within a document, a
space within a line, which changes nothing.
"""

from __future__ import annotations

from transforms.kernel.compiling import compiled, inlined
from transforms.kernel.octets import VECTOR_BYTES, byte_at, first_bit, set_byte, string_stops

FAULTY = -1
MAX_NESTING = 200
"""Levels of arrays and objects, the same as those of the slow path."""

TAB, LF, CR, SPACE = 9, 10, 13, 32
QUOTE, COMMA, MINUS, DOT, COLON, BACKSLASH = 34, 44, 45, 46, 58, 92
OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125
LOWER_A, LOWER_B, LOWER_E, LOWER_F, LOWER_L, LOWER_N = 97, 98, 101, 102, 108, 110
LOWER_R, LOWER_S, LOWER_T, LOWER_U = 114, 115, 116, 117
ZERO, ONE, NINE = 48, 49, 57
IN_LOWER_CASE = 0x20
"""The bit that turns a letter into lower case."""


@inlined
def is_digit(character: int) -> bool:
    """Returns whether a character is an ASCII digit."""
    return ZERO <= character <= NINE


@inlined
def hex_value(character: int) -> int:
    """Returns the value of a hex digit, or FAULTY."""
    if is_digit(character):
        return character - ZERO
    lower = character | IN_LOWER_CASE
    if LOWER_A <= lower <= LOWER_F:
        return lower - LOWER_A + 10
    return FAULTY


@compiled
def code_unit(at: int) -> int:
    """Returns the value of the 4 hex digits at an address, or FAULTY."""
    value = 0
    for place in range(4):
        digit = hex_value(byte_at(at + place))
        if digit < 0:
            return FAULTY
        value = value * 16 + digit
    return value


@compiled
def escape_end(at: int) -> int:
    """Skips the escape at a backslash; the two escapes of a surrogate pair together."""
    kind = byte_at(at + 1)
    if kind != LOWER_U:
        is_known = kind == QUOTE or kind == BACKSLASH or kind == 47 or kind == LOWER_B
        is_known = is_known or kind == LOWER_F or kind == LOWER_N or kind == LOWER_R
        return at + 2 if is_known or kind == LOWER_T else FAULTY
    unit = code_unit(at + 2)
    if unit < 0xD800 or unit > 0xDFFF:
        return at + 6 if unit >= 0 else FAULTY
    if unit > 0xDBFF or byte_at(at + 6) != BACKSLASH or byte_at(at + 7) != LOWER_U:
        return FAULTY
    low = code_unit(at + 8)
    return at + 12 if 0xDC00 <= low <= 0xDFFF else FAULTY


@inlined
def is_continuation(byte: int) -> bool:
    """Returns whether a byte is the second or a later one of a character in UTF-8."""
    return (byte & 0xC0) == 0x80


@compiled
def character_end(at: int) -> int:
    """Skips a character of two to four bytes in UTF-8 (Unicode 16, table 3-7)."""
    first, second = byte_at(at), byte_at(at + 1)
    if first < 0xC2 or not is_continuation(second):
        return FAULTY
    if first < 0xE0:
        return at + 2
    if not is_continuation(byte_at(at + 2)):
        return FAULTY
    if first < 0xF0:
        # No overlong forms, and no surrogates.
        if (first == 0xE0 and second < 0xA0) or (first == 0xED and second > 0x9F):
            return FAULTY
        return at + 3
    if not is_continuation(byte_at(at + 3)) or first > 0xF4:
        return FAULTY
    if (first == 0xF0 and second < 0x90) or (first == 0xF4 and second > 0x8F):
        return FAULTY
    return at + 4


@inlined
def string_end(at: int) -> tuple[int, bool]:
    """Finds the quotation mark that ends a string; `at` is after the one that starts it.

    Returns:
        Its address or FAULTY, and whether the string has an escape.
    """
    is_escaped = False
    while True:
        stops = string_stops(at)
        if stops == 0:
            at += VECTOR_BYTES
            continue
        at += first_bit(stops)
        # Stops often follow each other, as in text that is not Latin.
        while True:
            character = byte_at(at)
            if character == QUOTE:
                return at, is_escaped
            if character == BACKSLASH:
                is_escaped = True
                at = escape_end(at)
            elif character >= 0x80:
                at = character_end(at)
            elif character < SPACE:
                return FAULTY, is_escaped
            else:
                break
            if at < 0:
                return FAULTY, is_escaped


@inlined
def digits_end(at: int) -> int:
    """Skips digits, if there are any."""
    while is_digit(byte_at(at)):
        at += 1
    return at


@compiled
def number_end(at: int) -> int:
    """Skips a number."""
    if byte_at(at) == MINUS:
        at += 1
    start = at
    at = digits_end(at)
    if at == start or (byte_at(start) == ZERO and at > start + 1):
        return FAULTY
    if byte_at(at) == DOT:
        start = at + 1
        at = digits_end(start)
        if at == start:
            return FAULTY
    if byte_at(at) | IN_LOWER_CASE == LOWER_E:
        start = at + 1
        if byte_at(start) == 43 or byte_at(start) == MINUS:
            start += 1
        at = digits_end(start)
        if at == start:
            return FAULTY
    return at


@inlined
def white_end(at: int, line_feed: int) -> int:
    """Skips white space."""
    while True:
        character = byte_at(at)
        if character > SPACE:
            return at
        is_white = character == SPACE or character == TAB or character == CR
        if not is_white and character != line_feed:
            return at
        at += 1


@inlined
def is_null(at: int) -> bool:
    """Returns whether a text starts with `null`."""
    if byte_at(at) != LOWER_N or byte_at(at + 1) != LOWER_U:
        return False
    return byte_at(at + 2) == LOWER_L and byte_at(at + 3) == LOWER_L


@compiled
def scalar_end(at: int) -> int:
    """Skips a string, number, boolean or null."""
    first = byte_at(at)
    if first == QUOTE:
        at, _ = string_end(at + 1)
        return FAULTY if at < 0 else at + 1
    if first == LOWER_N:
        return at + 4 if is_null(at) else FAULTY
    if first == LOWER_T:
        if byte_at(at + 1) != LOWER_R or byte_at(at + 2) != LOWER_U:
            return FAULTY
        return at + 4 if byte_at(at + 3) == LOWER_E else FAULTY
    if first == LOWER_F:
        if byte_at(at + 1) != LOWER_A or byte_at(at + 2) != LOWER_L:
            return FAULTY
        return at + 5 if byte_at(at + 3) == LOWER_S and byte_at(at + 4) == LOWER_E else FAULTY
    return number_end(at)


@inlined
def colon_end(at: int, line_feed: int) -> int:
    """Skips a colon with white space on both sides, from the end of a key to its value."""
    at = white_end(at, line_feed)
    if byte_at(at) != COLON:
        return FAULTY
    return white_end(at + 1, line_feed)


@inlined
def key_end(at: int, line_feed: int) -> int:
    """Skips a key and its colon."""
    if byte_at(at) != QUOTE:
        return FAULTY
    at, _ = string_end(at + 1)
    return FAULTY if at < 0 else colon_end(at + 1, line_feed)


@compiled
def container_end(at: int, depth: int, nesting: int, line_feed: int) -> int:
    """Skips an array or an object.

    Args:
        at: The address of its bracket.
        depth: Number of arrays and objects around it.
        nesting: Address of MAX_NESTING + 1 bytes, for the closing bracket of each level.
        line_feed: See the module.
    """
    outer = depth
    while True:
        # At the start of a value.
        first = byte_at(at)
        if first == OPEN_OBJECT or first == OPEN_ARRAY:
            depth += 1
            if depth > MAX_NESTING:
                return FAULTY
            # In ASCII, a closing bracket is two after the opening one.
            set_byte(nesting + depth, first + 2)
            at = white_end(at + 1, line_feed)
            if byte_at(at) != first + 2:
                if first == OPEN_OBJECT:
                    at = key_end(at, line_feed)
                    if at < 0:
                        return FAULTY
                continue
            at += 1
            depth -= 1
        else:
            at = scalar_end(at)
            if at < 0:
                return FAULTY
        # After a value.
        while True:
            if depth == outer:
                return at
            at = white_end(at, line_feed)
            closing = byte_at(nesting + depth)
            if byte_at(at) == COMMA:
                at = white_end(at + 1, line_feed)
                if closing == CLOSE_OBJECT:
                    at = key_end(at, line_feed)
                    if at < 0:
                        return FAULTY
                break
            if byte_at(at) != closing:
                return FAULTY
            at += 1
            depth -= 1


@inlined
def value_end(at: int, depth: int, nesting: int, line_feed: int) -> int:
    """Skips any value; the arguments are those of `container_end`."""
    first = byte_at(at)
    if first == OPEN_OBJECT or first == OPEN_ARRAY:
        return container_end(at, depth, nesting, line_feed)
    return scalar_end(at)
