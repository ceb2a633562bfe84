"""Compiles the functions of this folder to machine code, once, and keeps it in a directory.

`entry` makes a function that Python calls, with fixed types. `inlined` and `compiled` make the
functions that it consists of. Importing a module loads its entries from the directory, or compiles
them, which takes about half a minute for all. No call ever compiles anything.

The directory is the one in the Python environment, which a set-up and an image fill with
`python -m transforms.kernel.build`; else one in the user's cache; else, if that cannot be written,
a temporary one. Its name contains a digest of all sources of this folder. Numba alone checks only
the file of a function, and would use old code after a change in another one.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from llvmlite import binding
from numba.core import caching, types
from numba.core import config as _config

Function = TypeVar("Function", bound=Callable[..., Any])

_LOGGER = logging.getLogger(__name__)
SOURCES = sorted(Path(__file__).parent.glob("*.py"))
ENTRIES = sum(path.read_text("utf-8").count("\n@entry(") for path in SOURCES)

_PORTABLE = "x86-64-v3"
"""The processor that code is compiled for, so that any worker can use it. Code for one model of
processor would be compiled again on each other model, and is not faster."""

_PORTABLE_FEATURES = ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")

_ONCE = "once"
_EACH_TIME = "at each start, unless XDG_CACHE_HOME names a directory that can be written"

_OPTIONS: Any = {"nogil": True, "boundscheck": False, "error_model": "numpy"}
config: Any = _config


def _choose_processor() -> str:
    """Returns the name of the processor to compile for: the user's choice, the portable one if this
    processor can run its code, or this one."""
    if config.CPU_NAME is not None:
        return str(config.CPU_NAME)
    features = binding.get_host_cpu_features()
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if is_x86 and all(features.get(name) for name in _PORTABLE_FEATURES):
        config.CPU_NAME = _PORTABLE
        # Without this, Numba adds the features of this processor.
        config.CPU_FEATURES = ""
        return _PORTABLE
    return str(binding.get_host_cpu_name())


_PROCESSOR = _choose_processor()


@cache
def code_name() -> str:
    """Returns a name for the machine code: a digest of what it is made of, and the processor."""
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=8)
    for path in SOURCES:
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()}-{_PROCESSOR}"


def environment_directory() -> Path:
    """Returns the directory in the Python environment."""
    return Path(sys.prefix, "share", "job-status", "kernel", code_name())


def _user_directory() -> Path:
    cache_home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache_home, "job-status", "kernel", code_name())


def index_suffix() -> str:
    """Returns the end of the names of Numba's index files for this interpreter; one per entry."""
    return f".py{sys.version_info[0]}{sys.version_info[1]}{sys.abiflags}.nbi"


def is_complete(place: Path) -> bool:
    """Returns whether a directory has the machine code of all entries for this interpreter."""
    return len(list(place.glob(f"*{index_suffix()}"))) >= ENTRIES


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


class _Locator(caching._CacheLocator):
    """Makes Numba use `directory`, which may be read-only once it is complete."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._line = function.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(directory())

    def get_source_stamp(self) -> str:
        return code_name()

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, function: Callable[..., Any], _: str) -> _Locator:
        return cls(function)


class _Code(caching.CompileResultCacheImpl):
    _locator_classes = [_Locator]  # type: ignore[list-item]  # noqa: RUF012


class _Cache(caching.FunctionCache):
    _impl_class = _Code


def entry(signature: Any) -> Callable[[Function], Function]:
    """Compiles a function that Python calls, for arguments of the types of a signature only."""

    def compile_now(function: Function) -> Function:
        dispatcher = numba.njit(**_OPTIONS)(function)
        dispatcher._cache = _Cache(function)
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return dispatcher

    return compile_now


def compiled(function: Function) -> Function:
    """Compiles a function as part of the entries that call it."""
    return numba.njit(**_OPTIONS)(function)


def inlined(function: Function) -> Function:
    """Compiles a function into each of its calls."""
    return numba.njit(**_OPTIONS, forceinline=True)(function)


int64 = types.int64
int32s = types.int32[::1]
int64s = types.int64[::1]
uint8s = types.uint8[::1]
