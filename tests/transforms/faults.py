"""Ends a run between any two steps that change its storage."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from transforms.storage import filesystem

Raise = Callable[[], BaseException]

_starts = itertools.count(1)


class Killed(BaseException):
    """Stands for the death of the process."""


@contextmanager
def failing(
    after: int | None, *, error: Raise = Killed, halfway: bool = False
) -> Iterator[list[str]]:
    """Fails after a number of steps, and yields the names of the steps that were done.

    A rename or a deletion of several files is one step per file. A run that is started in the
    context belongs to a process of its own, which is dead afterwards.

    Args:
        after: Number of steps that succeed, or None for all.
        error: Makes the exception that the next step and all later steps raise.
        halfway: Leaves a truncated file, under its temporary name, if the failing step writes one.
    """
    done: list[str] = []
    inside = False

    def step(name: str, work: Callable[[], Any]) -> Any:
        nonlocal inside
        if inside:
            return work()
        if len(done) == after:
            raise error()
        done.append(name)
        inside = True
        try:
            return work()
        finally:
            inside = False

    def plain(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: step(f"{name} {given[-1]}", lambda: real(*given))

    def one_by_one(name: str, real: Callable[[list[Any]], None]) -> Callable[[list[Any]], None]:
        def work(items: list[Any]) -> None:
            for item in items:
                step(f"{name} {item}", lambda item=item: real([item]))  # type: ignore[misc]

        return work

    def write(path: str, data: bytes) -> None:
        try:
            step(f"write {path}", lambda: real_write(path, data))
        except Killed:
            if halfway:
                place = Path(path + ".part")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data[: len(data) // 2])
            raise

    real_write, start = filesystem.write, next(_starts)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("create", "close_durably", "remove_if_empty"):
            patch.setattr(filesystem, name, plain(name, getattr(filesystem, name)))
        for name in ("rename", "delete"):
            patch.setattr(filesystem, name, one_by_one(name, getattr(filesystem, name)))
        patch.setattr(filesystem, "write", write)
        patch.setattr("transforms.write.owner.process_start", lambda _: start)
        yield done
