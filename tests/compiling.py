"""Compiles functions for tests, and gives them as functions of ctypes."""

import ctypes
import inspect

from fastatari.compiler import Module, native


def compile_functions(functions, level=1):
    """Compile some functions together; the compiled ones by name, which take integers and addresses."""
    module = Module("test")
    for function in functions:
        module.add(function, export=True)
    loaded = native.load(native.compile_module(str(module.ir), native.Target.host(), level))
    return {function.__name__: _wrap(loaded, function) for function in functions}


def compile_function(function, level=1):
    """Compile one function."""
    return compile_functions([function], level)[function.__name__]


def _wrap(loaded, function):
    signature = inspect.signature(function)
    result = None if signature.return_annotation is None else ctypes.c_int64
    call = ctypes.CFUNCTYPE(result, *[ctypes.c_int64] * len(signature.parameters))(loaded.address(function.__name__))
    call.loaded = loaded  # the code lives as long as this
    return call
