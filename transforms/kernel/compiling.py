"""Makes machine code of the functions of this folder, keeps it in a directory, and loads it.

`entry` makes a function that Python calls; `inlined`, `compiled` and `instruction` make those that
it consists of. Numba compiles them together to one file of machine code, which calls neither Python
nor Numba. A process that finds the files of all entries only loads them, in some milliseconds, and
never imports Numba. Else, importing a module compiles its entries: half a minute for all of them.
No call ever compiles anything.

The directory is the one in the Python environment, which a set-up and an image fill with
`python -m transforms.kernel.build`; else one in the user's cache; else, if that cannot be written,
a temporary one. Its name contains a digest of all sources of this folder, of the version of Numba,
and the processor.
"""

from __future__ import annotations

import atexit
import ctypes
import hashlib
import importlib.metadata
import logging
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np
from llvmlite import binding, ir

Function = TypeVar("Function", bound=Callable[..., Any])

_LOGGER = logging.getLogger(__name__)
SOURCES = sorted(Path(__file__).parent.glob("*.py"))
ENTRIES = sum(path.read_text("utf-8").count("\n@entry\n") for path in SOURCES)
SUFFIX = ".o"

_PORTABLE = "x86-64-v3"
"""The processor that code is compiled for, so that any worker can use it. Code for one model of
processor would be compiled again on each other model, and is not faster."""

_PORTABLE_FEATURES = ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")

_DIGEST_BYTES = 16

_ONCE = "once"
_EACH_TIME = "at each start, unless XDG_CACHE_HOME names a directory that can be written"


@cache
def _processor() -> str:
    """Returns the name of the processor to compile for: the user's choice, the portable one if this
    processor can run its code, or this one."""
    features = binding.get_host_cpu_features()
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    is_portable = is_x86 and all(features.get(name) for name in _PORTABLE_FEATURES)
    chosen = _PORTABLE if is_portable else binding.get_host_cpu_name()
    return os.environ.get("NUMBA_CPU_NAME") or chosen


@cache
def code_name() -> str:
    """Returns a name for the machine code: a digest of what it is made of, and the processor."""
    digest = hashlib.blake2b(importlib.metadata.version("numba").encode(), digest_size=8)
    for path in SOURCES:
        digest.update(path.read_bytes())
    return f"{digest.hexdigest()}-{_processor()}"


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


def _packed(name: str, machine_code: bytes) -> bytes:
    """Returns the content of a file: a digest, the name of the function, its object file."""
    content = name.encode() + b"\n" + machine_code
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest() + content


def _unpacked(content: bytes) -> tuple[str, bytes] | None:
    """Returns the name and the object file, or None if the file is damaged: LLVM would crash."""
    digest, content = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    name, _, machine_code = content.partition(b"\n")
    return name.decode(), machine_code


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


@cache
def compiler() -> Any:
    """Returns Numba, or None if this process only loads machine code."""
    if is_complete(directory()):
        return None
    import numba.core.compiler
    import numba.extending
    import numba.np.arrayobj

    config: Any = numba.core.config
    config.CPU_NAME = _processor()
    if _processor() == _PORTABLE:
        # Without this, Numba adds the features of this processor.
        config.CPU_FEATURES = ""
    return numba


def compiled(function: Function) -> Function:
    """Compiles a function as part of the entries that call it."""
    return _part(function)


def inlined(function: Function) -> Function:
    """Compiles a function into each of its calls."""
    return _part(function, forceinline=True)


def _part(function: Function, **options: Any) -> Function:
    numba = compiler()
    if numba is None:
        return function
    made: Function = numba.njit(boundscheck=False, error_model="numpy", **options)(function)
    return made


def entry(function: Function) -> Function:
    """Makes a function that Python calls from one whose annotations say the types of kernels.

    They are int and np.uint64, the types of arrays in `buffers`, and NamedTuples of these. The
    result is an int or a tuple of them.
    """
    module = function.__module__.rpartition(".")[-1]
    place = directory() / f"{module}.{function.__name__}{SUFFIX}"
    if compiler() is not None:
        _save(place, _machine_code(function))
    code = _unpacked(place.read_bytes())
    if code is None:
        raise RuntimeError(f"{place} is damaged. Delete it")
    return cast(Function, _Entry(function, *code))


def _machine_code(function: Callable[..., Any]) -> bytes:
    """Compiles a function that gets its arguments in words; returns the content of its file."""
    numba = compiler()
    core = numba.core
    *parameters, result = map(_type, _hints(function).values())
    part = compiled(function)

    @numba.extending.intrinsic
    def arguments(_: Any, words: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            given = _Words(context, builder, *values)
            found = [given.argument(kind) for kind in parameters]
            return context.make_tuple(builder, signature.return_type, found)

        return core.types.BaseTuple.from_types(parameters)(core.types.int64), code

    def called(words: Any) -> Any:
        return part(*arguments(words))

    flags = core.compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    target = core.registry.cpu_target
    contexts = target.typing_context, target.target_context
    for context in contexts:
        # Registers the functions that were made since the last entry.
        context.refresh()
    made = core.compiler.compile_extra(*contexts, called, [core.types.int64], result, flags, {})
    return _packed(made.fndesc.llvm_func_name, made.library._get_compiled_object())


class _Words:
    """Emits code that reads the arguments of an entry from words: see `_Entry`."""

    def __init__(self, context: Any, builder: Any, address: Any) -> None:
        self._context, self._builder = context, builder
        self._next = builder.inttoptr(address, ir.IntType(64).as_pointer())

    def _word(self) -> Any:
        word = self._builder.load(self._next)
        self._next = self._builder.gep(self._next, [ir.Constant(ir.IntType(64), 1)])
        return word

    def argument(self, kind: Any) -> Any:
        """Emits code that reads the next argument, and returns its value."""
        types = compiler().core.types
        if isinstance(kind, types.BaseNamedTuple):
            fields = [self.argument(each) for each in kind.types]
            return self._context.make_tuple(self._builder, kind, fields)
        if not isinstance(kind, types.Array):
            return self._word()
        array = self._context.make_array(kind)(self._context, self._builder)
        data = self._builder.inttoptr(self._word(), array.data.type)
        shape = [self._word() for _ in range(kind.ndim)]
        size = stride = ir.Constant(ir.IntType(64), kind.dtype.bitwidth // 8)
        strides: list[Any] = []
        for length in reversed(shape):
            strides.insert(0, stride)
            stride = self._builder.mul(stride, length)
        compiler().np.arrayobj.populate_array(array, data, shape, strides, size, meminfo=None)
        return array._getvalue()


def _hints(function: Callable[..., Any] | type) -> dict[str, Any]:
    return get_type_hints(function, include_extras=True)


def _type(hint: Any) -> Any:
    """Returns Numba's type for an annotation."""
    types = compiler().core.types
    if get_origin(hint) is Annotated:
        element, dimensions = hint.__metadata__
        return types.Array(compiler().from_dtype(np.dtype(element)), dimensions, "C")
    if get_origin(hint) is tuple:
        return types.UniTuple(types.int64, len(get_args(hint)))
    if hint in (int, np.uint64):
        return types.int64 if hint is int else types.uint64
    return types.NamedTuple(list(map(_type, _hints(hint).values())), hint)


def _save(place: Path, content: bytes) -> None:
    # Other processes see no file or a whole one.
    own = place.with_suffix(f".{os.getpid()}")
    own.write_bytes(content)
    own.replace(place)


@cache
def _engine() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(jit=True)
    return binding.create_mcjit_compiler(binding.parse_assembly(""), machine)


class _Entry:
    """Calls the machine code of a function.

    It reads its arguments from words: a number is one, an array its address and then its length in
    each dimension, a NamedTuple its fields.
    """

    def __init__(self, function: Callable[..., Any], name: str, machine_code: bytes) -> None:
        self._name = function.__qualname__
        *parameters, result = _hints(function).values()
        self._parameters = [_packing(hint) for hint in parameters]
        self._has_tuple = get_origin(result) is tuple
        self._results = len(get_args(result)) or 1
        _engine().add_object_file(binding.ObjectFileRef.from_data(machine_code))
        _engine().finalize_object()
        # Numba's calling convention: where the result goes, where an error goes, the argument.
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)
        self._call = kind(_engine().get_function_address(name))

    def __call__(self, *arguments: Any) -> Any:
        # Places for the results and for the address of an error, then the arguments.
        words = [0] * (self._results + 1) + _words(self._parameters, arguments)
        memory = (ctypes.c_int64 * len(words))(*words)
        results = ctypes.addressof(memory)
        error = results + 8 * self._results
        if self._call(results, error, error + 8) != 0:
            raise RuntimeError(f"the machine code of {self._name} failed")
        return tuple(memory[: self._results]) if self._has_tuple else memory[0]


_Packing = Callable[[Any], Sequence[int]] | None
"""Makes the words of an argument; None for a number, which is its own word."""


def _packing(hint: Any) -> _Packing:
    if hint in (int, np.uint64):
        return None
    if get_origin(hint) is Annotated:
        element, dimensions = hint.__metadata__
        return partial(_array_words, np.dtype(element), dimensions)
    return partial(_words, [_packing(field) for field in _hints(hint).values()])


def _words(packings: Sequence[_Packing], values: Sequence[Any]) -> list[int]:
    words: list[int] = []
    for packing, value in zip(packings, values, strict=True):
        if packing is None:
            words.append(value)
        else:
            words += packing(value)
    return words


_Memory = ctypes.c_char * 0


def _array_words(element: np.dtype[Any], dimensions: int, array: Any) -> Sequence[int]:
    """Returns the words of an array.

    Raises TypeError if it has another type or layout, or cannot be written.
    """
    shape = array.shape
    if array.dtype != element or len(shape) != dimensions or not array.flags.c_contiguous:
        raise TypeError(f"not an array of {element} with {dimensions} dimensions")
    # The fastest way to the address.
    return ctypes.addressof(_Memory.from_buffer(array)), *shape
