"""Makes machine code of the functions of this folder, and calls it.

`entry` makes a function that Python calls; `inlined`, `compiled` and `instruction` make those that
it consists of. Numba compiles them together to one file of machine code, which calls neither Python
nor Numba. A process that finds the files of all entries only loads them, in some milliseconds, and
never imports Numba. Else, importing a module compiles its entries: half a minute for all of them.
No call ever compiles anything. `build` says where the files are.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np
from llvmlite import binding, ir

from transforms.kernel.build import (
    PORTABLE,
    directory,
    is_complete,
    load_code,
    processor,
    save_code,
)

Function = TypeVar("Function", bound=Callable[..., Any])


@cache
def compiler() -> Any:
    """Returns Numba, or None if this process only loads machine code."""
    if is_complete(directory()):
        return None
    import numba.core.compiler
    import numba.extending
    import numba.np.arrayobj

    config: Any = numba.core.config
    config.CPU_NAME = processor()
    if processor() == PORTABLE:
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
    name = f"{function.__module__.rpartition('.')[-1]}.{function.__name__}"
    if compiler() is not None:
        save_code(name, *_machine_code(function))
    return cast(Function, _Entry(function, *load_code(name)))


def _machine_code(function: Callable[..., Any]) -> tuple[str, bytes]:
    """Compiles a function that gets its arguments in words.

    Returns:
        The symbol of the function, and its object file.
    """
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
    return made.fndesc.llvm_func_name, made.library._get_compiled_object()


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

    def __init__(self, function: Callable[..., Any], symbol: str, machine_code: bytes) -> None:
        self._name = function.__qualname__
        *parameters, result = _hints(function).values()
        self._parameters = [_packing(hint) for hint in parameters]
        self._has_tuple = get_origin(result) is tuple
        self._results = len(get_args(result)) or 1
        _engine().add_object_file(binding.ObjectFileRef.from_data(machine_code))
        _engine().finalize_object()
        # Numba's calling convention: where the result goes, where an error goes, the argument.
        kind = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)
        self._call = kind(_engine().get_function_address(symbol))

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
