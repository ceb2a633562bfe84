"""Runs `job-status` with a slow commit, so that a kill can hit each of its steps.

Renames, writes of small files and deletions are delayed, as on a busy object store, and otherwise
unchanged.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from pipeline.cli import main
from transforms.storage import filesystem

_SECONDS = 0.1

_write, _rename, _delete = filesystem.write, filesystem.rename, filesystem.delete


def _write_slowly(path: str, data: bytes) -> None:
    time.sleep(_SECONDS)
    _write(path, data)
    time.sleep(_SECONDS)


def _rename_slowly(pairs: Sequence[tuple[str, str]]) -> None:
    for pair in pairs:
        time.sleep(_SECONDS)
        _rename([pair])


def _delete_slowly(paths: Sequence[str]) -> None:
    for path in paths:
        time.sleep(_SECONDS)
        _delete([path])


def slow_down() -> None:
    """Slows down the commits of this process."""
    filesystem.write, filesystem.rename = _write_slowly, _rename_slowly
    filesystem.delete = _delete_slowly


if __name__ == "__main__":
    slow_down()
    sys.exit(main())
