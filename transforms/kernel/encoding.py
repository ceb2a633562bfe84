"""Encodes finished rows as Avro records of the schema JobStatusEvent.

Most of a record comes from the row. The part that the rules decide, from `legacy_status` to
`mapping_fingerprint`, is encoded once for each combination, in Python: a fragment.
"""

from __future__ import annotations

import numpy as np

from schemas.avro import avro_text
from transforms.kernel import rows
from transforms.kernel.buffers import (
    PADDING,
    Int32Vector,
    Int64Matrix,
    Int64s,
    Int64Vector,
    Uint64Matrix,
    address_of,
    padded,
)
from transforms.kernel.compiling import entry, inlined
from transforms.kernel.finishing import resolve, use_default_provider
from transforms.kernel.octets import copied, set_byte, set_word

_NULL, _GIVEN = 0, 2
"""The branches of a union of null and one type, as Avro encodes their numbers 0 and 1."""

_ID_BYTES = 33
"""An identity: its length as one byte, and its 32 hex digits."""
_ID_LENGTH = 64
"""32 as Avro encodes it."""

_OUT_BYTES = 4 << 20
"""Memory for the records of a block at first. They are shorter than the payloads."""
_MOST_OUT_BYTES = 16 << 20
"""More memory than this is given back after the block that needed it."""

_ROW_BYTES = 256
"""More than a record has beside its texts: the identity, four times, and a length of each text."""


@inlined
def put_long(at: int, number: int) -> int:
    """Writes a long as a zigzag varint; returns the address after it."""
    rest = np.uint64((number << 1) ^ (number >> 63))
    while rest > np.uint64(0x7F):
        set_byte(at, np.int64(rest | np.uint64(0x80)))
        at += 1
        rest >>= np.uint64(7)
    set_byte(at, np.int64(rest))
    return at + 1


@inlined
def put_time(at: int, micros: int) -> int:
    """Writes a time or null; returns the address after it."""
    if micros == rows.UNREADABLE:
        set_byte(at, _NULL)
        return at + 1
    set_byte(at, _GIVEN)
    return put_long(at + 1, micros)


@inlined
def put_text(at: int, texts: np.ndarray, field: int) -> int:
    """Writes the text of a field or null; returns the address after it."""
    start, end = texts[field, rows.START], texts[field, rows.END]
    if start == 0:
        set_byte(at, _NULL)
        return at + 1
    set_byte(at, _GIVEN)
    return copied(put_long(at + 1, end - start), start, end)


@inlined
def hex_digits(four_bytes: np.uint64) -> np.uint64:
    """Returns the 8 hex digits of four bytes, which are the lower half of a word."""
    # Put each byte into 16 bits, then each half of a byte into 8 bits, the upper half first.
    word = four_bytes
    word = (word | (word << np.uint64(16))) & np.uint64(0x0000_FFFF_0000_FFFF)
    word = (word | (word << np.uint64(8))) & np.uint64(0x00FF_00FF_00FF_00FF)
    upper = (word >> np.uint64(4)) & np.uint64(0x000F_000F_000F_000F)
    word = upper | ((word & np.uint64(0x000F_000F_000F_000F)) << np.uint64(8))
    # Adding 6 to a digit from 10 on sets its bit 4. `a` is 39 after the character after `9`.
    is_letter = (word + np.uint64(0x0606_0606_0606_0606)) >> np.uint64(4)
    is_letter &= np.uint64(0x0101_0101_0101_0101)
    return word + np.uint64(0x3030_3030_3030_3030) + is_letter * np.uint64(39)


@inlined
def put_id(at: int, low: np.uint64, high: np.uint64) -> int:
    """Writes an identity of two words as hex digits; returns the address after it."""
    set_byte(at, _ID_LENGTH)
    for place in range(2):
        shift = np.uint64(32 * place)
        set_word(at + 1 + 8 * place, hex_digits((low >> shift) & np.uint64(0xFFFF_FFFF)))
        set_word(at + 17 + 8 * place, hex_digits((high >> shift) & np.uint64(0xFFFF_FFFF)))
    return at + _ID_BYTES


@entry
def encode(
    places: rows.Places,
    offsets: Int64Vector,
    tails: Int64Matrix,
    times: Int64Matrix,
    ids: Uint64Matrix,
    combinations: Int32Vector,
    fragments: int,
    fragment_places: Int64Matrix,
    source: int,
    source_end: int,
    texts: Int64Matrix,
    out: int,
    out_bytes: int,
) -> int:
    """Encodes rows.

    Args:
        places: The rows.
        offsets: See `Rows`.
        tails: See `Contexts`; `places.beside` is their buffer, too.
        times: This and the next two, see `FinishedRows`.
        ids: See there.
        combinations: See there.
        fragments: Address of the fragments.
        fragment_places: Start and end of the fragment of each combination.
        source: Address of the encoded source.
        source_end: The address after it.
        texts: Memory for the addresses of a row's fields.
        out: Address of the memory for the records.
        out_bytes: Its size.

    Returns:
        The bytes that were written, or -1 if there is too little memory.
    """
    at = out
    for row in range(len(offsets)):
        resolve(texts, places, row)
        use_default_provider(texts)
        start, end = fragment_places[combinations[row]]
        tail, tail_end = tails[places.context_of[row]]
        size = _ROW_BYTES + end - start + tail_end - tail + source_end - source
        for field in range(rows.PAYLOAD):
            size += texts[field, rows.END] - texts[field, rows.START]
        if at + size > out + out_bytes:
            return -1
        at = put_id(at, ids[row, 0], ids[row, 1])
        at = copied(
            put_long(at, texts[rows.RECORD_TYPE, rows.END] - texts[rows.RECORD_TYPE, rows.START]),
            texts[rows.RECORD_TYPE, rows.START],
            texts[rows.RECORD_TYPE, rows.END],
        )
        at = put_text(at, texts, rows.EVENT_TYPE)
        at = put_time(at, times[row, rows.EVENT_TIME])
        at = put_text(at, texts, rows.PROJECT_ID)
        at = put_text(at, texts, rows.ACCOUNT_ID)
        at = put_text(at, texts, rows.PROVIDER)
        at = put_text(at, texts, rows.JOB_ID)
        at = put_text(at, texts, rows.REMOTE_JOB_ID)
        at = put_text(at, texts, rows.POSTING_ID)
        at = put_text(at, texts, rows.REMOTE_POSTING_ID)
        at = put_time(at, times[row, rows.JOB_CREATED_AT])
        at = put_time(at, times[row, rows.JOB_UPDATED_AT])
        at = copied(at, fragments + start, fragments + end)
        at = copied(at, source, source_end)
        set_byte(at, _GIVEN)
        at = put_long(at + 1, offsets[row])
        at = copied(at, places.beside + tail, places.beside + tail_end)
    return at - out


class RecordEncoder:
    """Encodes rows; keeps the fragments of the combinations, and the memory for records."""

    def __init__(self) -> None:
        self._out = np.empty(_OUT_BYTES, np.uint8)
        self._texts = np.empty((rows.FIELDS, 2), np.int64)
        self._fragments = bytearray(PADDING)
        self._places: Int64s = np.empty((0, 2), np.int64)
        self._new: list[bytes] = []

    def add_fragment(self, fragment: bytes) -> None:
        """Adds the fragment of the next combination."""
        self._new.append(fragment)

    def _join_new(self) -> None:
        """Adds the fragments since the last block to the others, all at once."""
        start = len(self._fragments) - len(PADDING)
        self._fragments[start:] = padded(*self._new)
        sizes = np.fromiter(map(len, self._new), np.int64, len(self._new))
        ends = start + np.cumsum(sizes)
        self._places = np.concatenate([self._places, np.stack([ends - sizes, ends], axis=1)])
        self._new = []

    def encode(self, events: rows.FinishedRows, source: str) -> memoryview:
        """Returns the records of events of a source, valid until the next call."""
        if self._new:
            self._join_new()
        encoded_source = avro_text(source)
        source_text = padded(encoded_source)
        source_start = address_of(source_text)
        if len(self._out) > _MOST_OUT_BYTES:
            self._out = np.empty(_OUT_BYTES, np.uint8)
        while True:
            size = encode(
                rows.Places.of(events.rows, events.contexts),
                events.rows.offsets,
                events.contexts.tails,
                events.times,
                events.ids,
                events.combinations,
                address_of(self._fragments),
                self._places,
                source_start,
                source_start + len(encoded_source),
                self._texts,
                address_of(self._out),
                len(self._out),
            )
            if size >= 0:
                return self._out.data[:size]
            self._out = np.empty(2 * len(self._out), np.uint8)
