"""Only arguments that fit its annotations reach machine code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from transforms.kernel.buffers import address_of, padded
from transforms.kernel.lines import split


@pytest.mark.parametrize(
    "starts",
    [
        np.empty(9, np.int32),
        np.empty(9, np.uint64),
        np.empty((9, 1), np.int64),
        np.empty(18, np.int64)[::2],
    ],
    ids=["narrower", "unsigned", "of two dimensions", "with gaps"],
)
def test_an_array_of_another_type_or_layout_never_reaches_machine_code(starts: Any) -> None:
    text = padded(b"{}\n{}\n")
    with pytest.raises(TypeError, match="not an array of int64 with 1 dimensions"):
        split(address_of(text), 0, 6, starts, np.empty(9, np.int64))


def test_a_call_with_too_few_arguments_never_reaches_machine_code() -> None:
    with pytest.raises(ValueError, match="shorter than argument 1"):
        split(0, 0, 6, np.empty(9, np.int64))  # type: ignore[call-arg]
