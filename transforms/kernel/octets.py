"""Reads and writes bytes at addresses: instructions of LLVM that Numba does not offer for text.

An address is an int. Nothing here checks whether it is valid: see PADDING in `rows`. A vector is 32
bytes, so a step of these functions handles 32 characters. On processors with narrower vectors, LLVM
splits each into several.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir

from transforms.kernel.compiling import compiler, inlined

VOID, INT64, UINT64 = "void", "int64", "uint64"
"""Numba's types of arguments and results."""

VECTOR_BYTES = 32

_BIT, _BYTE, _INT32, _WORD = (ir.IntType(bits) for bits in (1, 8, 32, 64))
_VECTOR = ir.VectorType(_BYTE, VECTOR_BYTES)

Emit = TypeVar("Emit", bound=Callable[..., Any])


def instruction(result: str, *parameters: str) -> Callable[[Emit], Callable[..., Any]]:
    """Makes a function of kernels from one that emits its LLVM code.

    Args:
        result: The type of the result.
        parameters: The types of the arguments.
    """

    def declare(emit: Emit) -> Callable[..., Any]:
        numba = compiler()
        if numba is None:
            return emit
        types = numba.core.types
        kind = getattr(types, result)(*(getattr(types, name) for name in parameters))

        def typed(_: Any, *arguments: Any) -> Any:
            def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                emitted = emit(builder, *values)
                return context.get_dummy_value() if emitted is None else emitted

            return kind, code

        typed.__name__ = typed.__qualname__ = emit.__name__
        typed.__doc__ = emit.__doc__
        # Numba needs the number of arguments: that of `emit`, whose builder stands for the context.
        typed.__signature__ = inspect.signature(emit)  # type: ignore[attr-defined]
        made: Callable[..., Any] = numba.extending.intrinsic(typed)
        return made

    return declare


def load(builder: Any, address: Any, kind: Any) -> Any:
    """Emits a load of a value of a type at any address."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def store(builder: Any, address: Any, value: Any) -> None:
    """Emits a store of a value at any address."""
    builder.store(value, builder.inttoptr(address, value.type.as_pointer()), align=1)


def _all(byte: int) -> Any:
    return ir.Constant(_VECTOR, [ir.Constant(_BYTE, byte)] * VECTOR_BYTES)


def _mask(builder: Any, flags: Any) -> Any:
    return builder.zext(builder.bitcast(flags, _INT32), _WORD)


@instruction(INT64, INT64)
def byte_at(builder: Any, address: Any) -> Any:
    """Returns the byte at an address, 0 to 255."""
    return builder.zext(load(builder, address, _BYTE), _WORD)


@instruction(UINT64, INT64)
def word_at(builder: Any, address: Any) -> Any:
    """Returns the 8 bytes at an address, the first byte as the lowest."""
    return load(builder, address, _WORD)


@instruction(VOID, INT64, INT64)
def set_byte(builder: Any, address: Any, value: Any) -> None:
    """Writes the lowest 8 bits of a value."""
    store(builder, address, builder.trunc(value, _BYTE))


@instruction(VOID, INT64, UINT64)
def set_word(builder: Any, address: Any, value: Any) -> None:
    """Writes 8 bytes, the lowest byte first."""
    store(builder, address, value)


@instruction(VOID, INT64, INT64)
def copy_vector(builder: Any, target: Any, source: Any) -> None:
    """Copies 32 bytes."""
    store(builder, target, load(builder, source, _VECTOR))


@instruction(INT64, INT64)
def string_stops(builder: Any, address: Any) -> Any:
    """Returns a bit for each of 32 bytes that is not an ordinary character of a JSON string.

    These are quotation marks, backslashes, control characters and bytes that are not ASCII.
    """
    characters = load(builder, address, _VECTOR)
    flags = builder.icmp_unsigned("==", characters, _all(ord('"')))
    flags = builder.or_(flags, builder.icmp_unsigned("==", characters, _all(ord("\\"))))
    # As signed numbers, the bytes from 0x80 on are negative.
    flags = builder.or_(flags, builder.icmp_signed("<", characters, _all(ord(" "))))
    return _mask(builder, flags)


@instruction(INT64, INT64)
def line_feeds(builder: Any, address: Any) -> Any:
    """Returns a bit for each of 32 bytes that is LF."""
    characters = load(builder, address, _VECTOR)
    return _mask(builder, builder.icmp_unsigned("==", characters, _all(ord("\n"))))


@instruction(INT64, INT64)
def first_bit(builder: Any, mask: Any) -> Any:
    """Returns the position of the lowest bit that is set. The mask must not be 0."""
    return builder.cttz(mask, ir.Constant(_BIT, 1))


@instruction(UINT64, UINT64, UINT64)
def high_product(builder: Any, left: Any, right: Any) -> Any:
    """Returns the upper 64 bits of a product."""
    wide = ir.IntType(128)
    product = builder.mul(builder.zext(left, wide), builder.zext(right, wide))
    return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), _WORD)


LOWEST_BYTES = np.array([(1 << (8 * size)) - 1 for size in range(9)], np.uint64)
"""Masks of the first 0 to 8 bytes of a word."""


@inlined
def copied(target: int, start: int, end: int) -> int:
    """Copies the bytes [start, end), and up to 31 bytes after them.

    Returns:
        The address after the copy.
    """
    stop = target + (end - start)
    while target < stop:
        copy_vector(target, start)
        target += VECTOR_BYTES
        start += VECTOR_BYTES
    return stop


@inlined
def is_equal(left: int, right: int, size: int) -> bool:
    """Returns whether the bytes at two addresses are equal; may read 7 bytes after them."""
    while size > 0:
        if (word_at(left) ^ word_at(right)) & LOWEST_BYTES[min(size, 8)]:
            return False
        left += 8
        right += 8
        size -= 8
    return True
