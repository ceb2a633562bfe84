"""Keeps the machine code of this folder in a directory: `python -m transforms.kernel.build`.

The directory is the one in the Python environment, which a set-up and an image fill with the
command above; else one in the user's cache; else, if that cannot be written, a temporary one. Its
name contains a digest of all sources of this folder, of the version of Numba, and the processor.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.metadata
import logging
import os
import platform
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from llvmlite import binding

_LOGGER = logging.getLogger(__name__)
SOURCES = sorted(Path(__file__).parent.glob("*.py"))
ENTRIES = sum(path.read_text("utf-8").count("\n@entry\n") for path in SOURCES)
SUFFIX = ".o"

PORTABLE = "x86-64-v3"
"""The processor that code is compiled for, so that any worker can use it. Code for one model of
processor would be compiled again on each other model, and is not faster."""

_PORTABLE_FEATURES = ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")

_DIGEST_BYTES = 16

_ONCE = "once"
_EACH_TIME = "at each start, unless XDG_CACHE_HOME names a directory that can be written"


@cache
def processor() -> str:
    """Returns the name of the processor to compile for: the user's choice, the portable one if this
    processor can run its code, or this one."""
    features = binding.get_host_cpu_features()
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    is_portable = is_x86 and all(features.get(name) for name in _PORTABLE_FEATURES)
    chosen = PORTABLE if is_portable else binding.get_host_cpu_name()
    return os.environ.get("NUMBA_CPU_NAME") or chosen


@cache
def code_name() -> str:
    """Returns a name for the machine code: a digest of what it is made of, and the processor."""
    digest = hashlib.blake2b(importlib.metadata.version("numba").encode(), digest_size=8)
    for path in SOURCES:
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()}-{processor()}"


def environment_directory() -> Path:
    """Returns the directory in the Python environment."""
    return Path(sys.prefix, "share", "job-status", "kernel", code_name())


def _user_directory() -> Path:
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache_home, "job-status", "kernel", code_name())


def is_complete(place: Path) -> bool:
    """Returns whether a directory has the machine code of all entries, without damage."""
    codes = [_unpacked(path.read_bytes()) for path in place.glob(f"*{SUFFIX}")]
    return sum(code is not None for code in codes) >= ENTRIES


def _unpacked(content: bytes) -> tuple[str, bytes] | None:
    """Returns the content of a file as `load_code` does, or None if it is damaged."""
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    symbol, _, machine_code = content.partition(b"\n")
    return symbol.decode(), machine_code


def use(place: Path) -> None:
    """Makes a directory the one of this process, before any entry is imported."""
    _used.append(place)


_used: list[Path] = []


def directory() -> Path:
    """Returns the directory of the machine code; logs if the code must be compiled first."""
    if not _used:
        place, how_often = _find_directory()
        use(place)
        if not is_complete(place):
            _LOGGER.warning(
                "compiling the kernel into %s, %s: about half a minute", place, how_often
            )
    return _used[0]


def _find_directory() -> tuple[Path, str]:
    """Returns a directory, and how often it has to be filled."""
    if is_complete(environment_directory()):
        return environment_directory(), _ONCE
    with suppress(OSError, RuntimeError):
        place = _user_directory()
        place.mkdir(parents=True, exist_ok=True)
        # Fails if it cannot be written. Saving the code would end the run.
        tempfile.TemporaryFile(dir=place).close()
        return place, _ONCE
    place = Path(tempfile.mkdtemp(prefix="job-status-kernel-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place, _EACH_TIME


def save_code(entry: str, symbol: str, machine_code: bytes) -> None:
    """Saves the object file of an entry, with the symbol of its function and a digest."""
    content = symbol.encode() + b"\n" + machine_code
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
    # Other processes see no file or a whole one.
    own = directory() / f"{entry}.{os.getpid()}"
    own.write_bytes(digest + content)
    own.replace(directory() / f"{entry}{SUFFIX}")


def load_code(entry: str) -> tuple[str, bytes]:
    """Returns the symbol of an entry's function and its object file.

    Raises RuntimeError if the file is damaged: LLVM would crash.
    """
    place = directory() / f"{entry}{SUFFIX}"
    code = _unpacked(place.read_bytes())
    if code is None:
        raise RuntimeError(f"{place} is damaged. Delete it")
    return code


def build(place: Path) -> None:
    """Compiles all entries into a directory."""
    place.mkdir(parents=True, exist_ok=True)
    use(place)
    for name in ("encoding", "lines", "pages"):
        # These import all other modules with entries.
        importlib.import_module(f"transforms.kernel.{name}")
    if not is_complete(place):
        sys.exit(f"{place} lacks the code of some entries")


if __name__ == "__main__":
    # The other modules import this one by its name, not as __main__.
    from transforms.kernel import build as _this

    _this.build(environment_directory())
