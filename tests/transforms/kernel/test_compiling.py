"""The machine code is made once, for the sources as they are, and kept where it can be."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from numba.core import event

from tests.pipeline.command import run, write_events
from transforms.kernel import compiling

SUFFIX = compiling.index_suffix()


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
        (place / f"module.function-{number}{SUFFIX}").touch()


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


def test_a_run_compiles_nothing(tmp_path: Path) -> None:
    compiled: list[Any] = []

    class Listener(event.Listener):
        def on_start(self, event: Any) -> None:
            compiled.append(event.data["dispatcher"])

        def on_end(self, event: Any) -> None:
            pass

    events = write_events(tmp_path / "events.jsonl", 1, 10, bad=1)
    with event.install_listener("numba:compile", Listener()):
        done = run("--input", events, "--output", tmp_path / "out", "--direct_num_workers", "1")
    assert (done.code, compiled) == (0, [])
