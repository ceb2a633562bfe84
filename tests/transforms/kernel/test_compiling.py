"""The machine code is made once, for the sources as they are, and kept where it can be."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transforms.kernel import compiling
from transforms.kernel.buffers import address_of, padded
from transforms.kernel.lines import split


@pytest.fixture
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Returns the directory in the environment and that of the user, both empty."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(compiling, "_used", [])
    user = tmp_path / "cache" / "job-status" / "kernel" / compiling.code_name()
    return compiling.environment_directory(), user


def _complete(place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for number in range(compiling.ENTRIES):
        code = compiling._packed("function", b"machine code")
        (place / f"module.function-{number}{compiling.SUFFIX}").write_bytes(code)


def test_the_code_in_the_environment_is_used_if_it_is_complete(
    directories: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    environment, _ = directories
    _complete(environment)
    assert compiling.directory() == environment
    assert not caplog.records


def test_without_it_the_code_is_compiled_into_the_users_cache_which_is_said_once(
    directories: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    environment, user = directories
    _complete(environment)
    next(environment.iterdir()).unlink()
    assert compiling.directory() == compiling.directory() == user
    (record,) = caplog.records
    assert record.message == f"compiling the kernel into {user}, once: about half a minute"


@pytest.mark.parametrize("damage", [b"", b"machine code"], ids=["empty", "changed"])
def test_damaged_code_is_compiled_again(directories: tuple[Path, Path], damage: bytes) -> None:
    _complete(directories[0])
    next(directories[0].iterdir()).write_bytes(damage)
    assert compiling.directory() == directories[1]


def test_a_complete_cache_is_used_without_a_word(
    directories: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    _complete(directories[1])
    assert compiling.directory() == directories[1]
    assert not caplog.records


def test_a_home_that_cannot_be_written_gives_way_to_a_temporary_directory(
    directories: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = compiling.directory()
    assert place.parent == tmp_path and place.name.startswith("job-status-kernel-")
    (record,) = caplog.records
    assert "at each start, unless XDG_CACHE_HOME names" in record.message


def test_a_change_of_any_module_changes_the_name_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [tmp_path / name for name in ("a.py", "b.py")]
    names = []
    monkeypatch.setattr(compiling, "SOURCES", sources)
    for text in ("1", "2"):
        for source in sources:
            source.write_text(text)
            if all(each.exists() for each in sources):
                compiling.code_name.cache_clear()
                names.append(compiling.code_name())
    compiling.code_name.cache_clear()
    assert len(set(names)) == 3


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
