"""Clones the checkout, with the files as they are in the working tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def clone_checkout(folder: Path) -> None:
    """Makes a repository in a folder, with the files that git tracks here.

    Hidden entries of an older clone are kept: its environment and the caches of its tools.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if not entry.name.startswith("."):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for name in _git(ROOT, "ls-files", "-z").split("\0"):
        if name and os.path.lexists(ROOT / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
