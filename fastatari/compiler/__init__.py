"""From plain Python to machine code: a compiler for functions over 64-bit integers and memory.

The same functions run under CPython; see docs/compiler.md for the language.

* `language.py`: `Module`, what is compiled together.
* `memory.py`: structures, pointers and addresses.
* `functions.py`: how functions are marked, and their signatures.
* `intrinsics.py`: atomic operations, calls by address, and floats, which the language has no words for.
* `source.py`: the parsed text of a function, its names, and errors with file and line.
* `statements.py`, `calls.py`, `operators.py`, `accesses.py`, `arithmetic.py`: the language itself.
* `flow.py`: blocks, and which value each name has where.
* `values.py`: what an expression can stand for.
* `native.py`: from LLVM's language to machine code, and loading it.
* `cache.py`: compiled code on disk, which it alone reads and writes.
* `programs.py`: modules as machine code, found on disk or compiled.
* `notice.py`: says that something is being compiled.
"""

from fastatari.compiler.functions import cold, inline, intrinsic, outlined
from fastatari.compiler.language import Module
from fastatari.compiler.memory import (
    Array,
    Ints,
    Pointer,
    Pointer8,
    Pointer16,
    Pointer32,
    Pointer64,
    PointerI32,
    address,
    copy_bytes,
    i8,
    i16,
    i32,
    i64,
    pointer,
    structure,
    u8,
    u16,
    u32,
)
from fastatari.compiler.source import CompileError

__all__ = [
    "Array",
    "CompileError",
    "Ints",
    "Module",
    "Pointer",
    "Pointer8",
    "Pointer16",
    "Pointer32",
    "Pointer64",
    "PointerI32",
    "address",
    "cold",
    "copy_bytes",
    "i8",
    "i16",
    "i32",
    "i64",
    "inline",
    "intrinsic",
    "outlined",
    "pointer",
    "structure",
    "u8",
    "u16",
    "u32",
]
