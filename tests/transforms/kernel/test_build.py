"""The machine code is made once, for the sources as they are, and kept where it can be."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import pytest

from transforms.kernel import build


@pytest.fixture
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Returns the directory in the environment and that of the user, both empty."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "_used", [])
    user = tmp_path / "cache" / "job-status" / "kernel" / build.code_name()
    return build.environment_directory(), user


def _complete(place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    with patch.object(build, "_used", [place]):
        for number in range(build.ENTRIES):
            build.save_code(f"module.function{number}", "symbol", b"machine code")


def test_the_code_in_the_environment_is_used_if_it_is_complete(
    directories: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    environment, _ = directories
    _complete(environment)
    assert build.directory() == environment
    assert not caplog.records


def test_without_it_the_code_is_compiled_into_the_users_cache_which_is_said_once(
    directories: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    environment, user = directories
    _complete(environment)
    next(environment.iterdir()).unlink()
    assert build.directory() == build.directory() == user
    (record,) = caplog.records
    assert record.message == f"compiling the kernel into {user}, once: about half a minute"


@pytest.mark.parametrize("damage", [b"", b"machine code"], ids=["empty", "changed"])
def test_damaged_code_is_compiled_again(directories: tuple[Path, Path], damage: bytes) -> None:
    _complete(directories[0])
    next(directories[0].iterdir()).write_bytes(damage)
    assert build.directory() == directories[1]


def test_a_complete_cache_is_used_without_a_word(
    directories: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    _complete(directories[1])
    assert build.directory() == directories[1]
    assert not caplog.records


def test_a_home_that_cannot_be_written_gives_way_to_a_temporary_directory(
    directories: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "cache").write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = build.directory()
    assert place.parent == tmp_path and place.name.startswith("job-status-kernel-")
    (record,) = caplog.records
    assert "at each start, unless XDG_CACHE_HOME names" in record.message


def test_a_change_of_any_module_changes_the_name_of_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [tmp_path / name for name in ("a.py", "b.py")]
    names = []
    monkeypatch.setattr(build, "SOURCES", sources)
    for text in ("1", "2"):
        for source in sources:
            source.write_text(text)
            if all(each.exists() for each in sources):
                build.code_name.cache_clear()
                names.append(build.code_name())
    build.code_name.cache_clear()
    assert len(set(names)) == 3
