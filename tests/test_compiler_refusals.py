"""What the compiler refuses: every message, with the file and the line that is at fault."""

import ctypes
import importlib.util
import re
import textwrap

import pytest
from llvmlite import ir

from fastatari.compiler import CompileError, Module, address, native, pointer, structure, u8

HEAD = """
import ctypes
import os
from typing import Annotated
import numpy as np
from fastatari.compiler import *
from fastatari.compiler import Array, Ints, Pointer8, Pointer32

@structure
class R(ctypes.Structure):
    a: u8
    b: i32

@structure
class M(ctypes.Structure):
    x: i32
    ram: Annotated[Ints, ctypes.c_uint8 * 4]
    r: Annotated[R, R]
    p: Annotated[Ints, Pointer8]
    q: Annotated[Ints, Pointer8]

class Odd(ctypes.Structure):
    _fields_ = [("bits", ctypes.c_int, 3), ("real", ctypes.c_double), ("big", ctypes.c_uint64)]

TABLE = (1, 2, 3)
MIXED = (1, "2")
HUGE = (1 << 64, 0)
EMPTY = ()
REAL = 1.5
MATRIX = np.zeros((2, 3), np.int64)
CUBE = np.zeros((2, 3, 4), np.int64)
BIG = 1 << 63

def one(a: int) -> int:
    return a

def two(a: int, b: int) -> int:
    return a

def none(a: int) -> None:
    pass

def of_r(r: R) -> int:
    return r.a

UNLIKE = (one, two)
HALF = (one, 3)
STAR = (1, 2)
"""

IN_BODY = [
    # statements
    ("with os: pass", r"`with` is not part of the compiled language; statements are: assignments, `if`, .*"),
    ("try:\n    pass\nfinally:\n    pass", "`try` is not part of .*"),
    ("del n", "`del` is not part of .*"),
    ("global TABLE", "`global` is not part of .*"),
    ("import os", "`import` is not part of .*"),
    ("raise ValueError", "`raise` is not part of .*"),
    ("assert n", "`assert` is not part of .*"),
    ("def g(): pass", "`def` is not part of .*"),
    ("match n:\n    case 1: pass", "`match` is not part of .*"),
    ("n + 1", "`n \\+ 1` has no effect; as a statement allowed is a call"),
    ("x: int", "an annotation without a value is not part of the compiled language"),
    ("while n:\n    break\nelse: pass # !", "`else` of a loop is not part of the compiled language"),
    ("for i in range(n):\n    break\nelse: pass # !", "`else` of a loop is not part of the compiled language"),
    ("for i in range(0, n, n): pass", r"the step of `range\(0, n, n\)` is not a constant other than 0"),
    ("for i in range(0, n, 0): pass", r"the step of `range\(0, n, 0\)` is not a constant other than 0"),
    ("for i in range(): pass", r"`range\(\)`: allowed are range\(stop\), .*"),
    ("for i, j in (1, 2): pass", r"`\(?i, j\)?` cannot be the target of `for`; allowed is a name"),
    ("for i in m.ram: pass", r"`for` over `m.ram`; allowed are range\(\) and tuples"),
    ("for i in one(3): pass", r"`for` over `one\(3\)`; allowed are range\(\) and tuples"),
    ("for i in n: pass", "`for` over `n`; allowed are .*"),
    # assignments
    ("x = none(n)", r"`x` is given nothing \(the function returns None\)"),
    ("a, b = 1, 2, 3", "3 values are assigned to 2 targets"),
    ("x = 1, 2", "a tuple is assigned to `x`; allowed is a tuple as long"),
    ("a, b = n", r"`\(?a, b\)?` cannot be assigned here; targets are: names, fields, .*"),
    ("m.r = m.r", "`m.r` is a structure R; use copy_bytes to copy it"),
    ("m.ram = m.ram", "`m.ram` is an array of 4 uint8; use copy_bytes to copy it"),
    ("m.p = n", "`m.p` is given an integer; allowed is a pointer to uint8"),
    ("m.x = m", "`m.x` is given a structure M where an integer is needed"),
    ("m.p += 1", "`m.p` is a pointer to uint8 where an integer is needed"),
    ("old = m.p\nm.q = old # !", "`old` is the value of a pointer field; in CPython it stands for the field, .*"),
    ("m.p, m.q = m.q, m.p", "a pointer is stored out of a tuple; in CPython it stands for the field, .*"),
    ("TABLE[n] = 1", "`TABLE` is a tuple, a constant; targets are: .*"),
    ("n.x = 1", "`n` is an integer, which has no field `x`"),
    ("m.nothing = 1", "`m` is a structure M, which has no field `nothing`"),
    # names
    ("if n:\n    x = 1\nreturn x # !", "`x` may not be assigned yet here"),
    ("x += 1", "`x` may not be assigned yet here"),
    ("for i in range(n): pass\nreturn i # !", "`i` may not be assigned yet here"),
    ("while n:\n    x = 1\n    n -= 1\nreturn x # !", "`x` may not be assigned yet here"),
    ("return missing", "`missing` is not defined"),
    (
        "x = m if n else m.r",
        "the two values are a structure M or a structure R, depending on the way there; .*",
    ),
    (
        "x = 1\nif n:\n    x = m\nreturn x # !",
        "`x` is an integer or a structure M, depending on the way there; allowed is one .*",
    ),
    ("f = one\nwhile n:\n    n = f(n) # !\n    f = of_r", "`f` is the function `one` before the loop and may be .*"),
    ("x = 1\nwhile n: # !\n    x = m", "`x` is an integer before the loop and a structure M after a round"),
    # expressions
    ("return 1.5", "`1.5` is not part of the compiled language; constants are integers and bools"),
    ("return 1 << 64", "the count of `<<` is 64; allowed are 0 to 63"),
    ("return n >> -1", "the count of `>>` is -1; allowed are 0 to 63"),
    ("return 9223372036854775808", "`9223372036854775808` is 9223372036854775808; allowed are integers of 64 bits .*"),
    ("return BIG", "`BIG` is 9223372036854775808; allowed are integers of 64 bits with sign"),
    ("return REAL", "`REAL` is a float where an integer is needed"),
    ("return n / 2", "operator `/` is not part of the compiled language; operators are: .*"),
    ("return n ** 2", r"operator `\*\*` is not part of the compiled language; operators are: .*"),
    ("return n // n", "the right side of `//` is not known when compiled; allowed is a constant of at least 1"),
    ("return n % 0", "the right side of `%` is 0; allowed is a constant of at least 1"),
    ("return n // -2", "the right side of `//` is -2; allowed is a constant of at least 1"),
    ("return n in TABLE", "`TABLE` is a tuple where an integer is needed"),
    ("return n is n", "operator `is` is not part of the compiled language; comparisons are: .*"),
    ("return n and m.x", "`n` is not a comparison: `and` and `or` are values only of .*"),
    ("return n < 1 or one(n)", r"`one\(n\)` is not a comparison: .*"),
    ("return (x := n)", r"`\(x := n\)` is not part of the compiled language; expressions are: .*"),
    ("return [1][0]", r"`\[1\]` is not part of the compiled language; expressions are: .*"),
    (
        "return sum(i for i in (1, 2))",
        "`sum` is a builtin_function_or_method; called are functions written in .*",
    ),
    ("return m", "`m` is a structure M where an integer is needed"),
    ("return m + 1", "`m` is a structure M where an integer is needed"),
    ("if m: pass", "`m` is a structure M; conditions are integers and pointers"),
    ("return n.x", "`n` is an integer, which has no field `x`"),
    ("return m.y", "`m` is a structure M, which has no field `y`"),
    ("return os.nothing", "`os` is the module `os`, which has no attribute `nothing`"),
    ("return REAL.real", "`REAL` is a float; attributes are read of structures, modules and classes"),
    ("return m.p.contents", "`m.p` is a pointer to uint8, which has no field `contents`"),
    ("return m.ram[4]", r"index 4 of `m.ram\[4\]` is outside; allowed are 0 to 3"),
    ("return m.ram[-1]", r"index -1 of `m.ram\[-1\]` is outside; allowed are 0 to 3"),
    ("return m[0]", "`m` is a structure M; subscripts are read of arrays, pointers and tables"),
    ("return TABLE[3]", r"index 3 of `TABLE\[3\]` is outside; allowed are 0 to 2"),
    ("return one[n]", "`one` is the function `one`; tables are tuples, lists and arrays of numpy"),
    ("return MIXED[n]", r"the table of `MIXED\[n\]` has a str in it; allowed are tables of integers and tables of .*"),
    ("return HUGE[n]", r"the table of `HUGE\[n\]` has integers of more than 64 bits with sign; .*"),
    ("return EMPTY[n]", r"the table of `EMPTY\[n\]` has no elements; .*"),
    ("return MATRIX[n]", r"`MATRIX\[n\]` has 1 indices for 2 dimensions; allowed are 1 of 1 and 2 of 2"),
    ("return TABLE[n, n]", r"`TABLE\[.*\]` has 2 indices for 1 dimensions; .*"),
    ("return CUBE[n, n, n]", r"`CUBE\[.*\]` has 3 indices for 3 dimensions; .*"),
    ("return TABLE[0:1]", "`0:1` is not part of the compiled language; .*"),
    # calls
    ("return one(n, n)", "`one` takes 1 arguments, not 2"),
    ("return one(a=n)", r"`one\(a=n\)` has more than plain arguments; allowed are arguments by position"),
    ("return one(*STAR)", r"`one\(\*STAR\)` has more than plain arguments; .*"),
    ("return one(m)", "`m` is a structure M where an integer is needed"),
    ("return of_r(m)", "argument 1 of `of_r` is a structure M; allowed is a structure R"),
    ("return of_r(n)", "argument 1 of `of_r` is an integer; allowed is a structure R"),
    ("return none(n) + 1", r"`none\(n\)` is nothing \(the function returns None\) where an integer is needed"),
    ("return UNLIKE[n](1)", r"`two` in the table of `UNLIKE\[n\]` is \(int, int\) -> int, `one` \(int\) -> int; .*"),
    ("return HALF[n](1)", r"the table of `HALF\[n\]` has a int in it; .*"),
    ("return n(1)", "`n` is an integer; called are functions written in Python, min, max, abs and int"),
    ("return R(1)", "`R` is the class `R`; called are .*"),
    ("return min(n)", "`min` has 1 arguments; allowed are 2 and more"),
    ("return abs(n, n)", "`abs` has 2 arguments; allowed is 1"),
    ("return address(n)", "`n` is an integer; allowed is a structure, array or pointer"),
    ("return address(m, n)", "`address` takes 1 arguments, not 2"),
    ("return pointer(n, n)", "`n` is an integer; allowed is a structure or pointer type"),
    ("return pointer(Odd, n).bits", "field `bits` of Odd is a bit field"),
    ("return pointer(Odd, n).real", "field `real` of Odd is a c_double; allowed are c_int8, .*"),
    ("return pointer(Odd, n).big", "field `big` of Odd is a c_ulong(long)?; allowed are c_int8, .*"),
    # returns
    ("return", "`f` returns nothing here, but its result is an int"),
    ("f = lambda: 1", "`lambda: 1` is not part of the compiled language; .*"),
]

WHOLE = [
    ("def f(m: M, n: int) -> int: # !\n    if n:\n        return 1", "`f` may end without `return`, but its .* int"),
    ("def f(m: M, n: int) -> None:\n    return n # !", "`f` returns `n`, but its result is None"),
    ("def f(m: M, n) -> int: # !\n    return 1", "parameter `n` of `f` has no annotation; allowed are int, bool, a .*"),
    ("def f(m: M, n: int): # !\n    return 1", "the result of `f` has no annotation; allowed are int, .*"),
    ("def f(m: M, n: str) -> int: # !\n    return 1", "parameter `n` is <class 'str'>; allowed are int, .*"),
    ("def f(m: M, n: 'What') -> int: # !\n    return 1", "annotation `What` cannot be evaluated: NameError: .*"),
    ("def f(m: M, n: int) -> M: # !\n    return m", "the result of `f` is .*M.*; allowed are int, bool, None"),
    ("def f(m: M, n: int = 1) -> int: # !\n    return 1", "`f` has default values; they are not part of .*"),
    ("def f(m: M, *n: int) -> int: # !\n    return 1", "`f` has more than plain parameters; allowed is `name: type`"),
    ("def f(m: M, *, n: int) -> int: # !\n    return 1", "`f` has more than plain parameters; .*"),
    ("f = lambda m, n: 1 # !", "a lambda is not part of the compiled language; write a function"),
    (
        "def make():\n    def f(m: M, n: int) -> int:\n        return late # !\n    return f\n    late = 1\nf = make()",
        "`late` of the enclosing function has no value yet",
    ),
    (
        "@intrinsic(lambda builder, args: None)\ndef g(a: int) -> int:\n    return 1\n"
        "def f(m: M, n: int) -> int:\n    return g(n) # !",
        "the intrinsic `g` wrote None; allowed is an integer of 64 bits",
    ),
    ("@intrinsic(one) # !\ndef f(m: M, n: int) -> int:\n    return 1", "`f` is an intrinsic: it has no address and .*"),
]


def load(path, text):
    """The text as a module with its own file."""
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def refused(path, text, line, message):
    found = load(path, text)
    with pytest.raises(CompileError) as caught:
        Module("refused").add(found.f)
    assert re.fullmatch(re.escape(f"{path.name}:{line}: ") + message, str(caught.value)), str(caught.value)
    assert (caught.value.file, caught.value.line) == (path.name, line)


@pytest.mark.parametrize(("body", "message"), IN_BODY, ids=[body for body, _ in IN_BODY])
def test_in_a_body(tmp_path, body, message):
    text = HEAD + "\ndef f(m: M, n: int) -> int:\n" + textwrap.indent(body, "    ")
    if not body.startswith("return"):
        text += "\n    return 0\n"
    start = HEAD.count("\n") + 3
    marked = [i for i, line in enumerate(body.split("\n")) if line.endswith("# !")]
    refused(tmp_path / "refused_body.py", text, start + (marked[0] if marked else 0), message)


@pytest.mark.parametrize(("text", "message"), WHOLE, ids=[message for _, message in WHOLE])
def test_whole_functions(tmp_path, text, message):
    text = HEAD + text
    line = next(i for i, line in enumerate(text.split("\n"), 1) if line.endswith("# !"))
    if "@intrinsic(one)" in text:
        line += 1  # what is refused is the function, not its decorator
    refused(tmp_path / "refused_whole.py", text, line, message)


def test_a_changed_file(tmp_path):
    found = load(tmp_path / "changed.py", HEAD + "\ndef f(m: M, n: int) -> int:\n    return 1\n")
    (tmp_path / "changed.py").write_text("\n\n")
    with pytest.raises(CompileError, match=r"changed.py:\d+: the source of `f` is not here: a compiled function needs"):
        Module("changed").add(found.f)


@pytest.mark.parametrize("what", [len, ctypes.Structure, 3])
def test_what_is_no_function(what):
    with pytest.raises(CompileError, match=r"cannot be compiled: allowed is a function written in Python"):
        Module("none").add(what)


def test_structures():
    with pytest.raises(
        CompileError, match=r"@structure takes a class derived from ctypes.Structure, not <class 'int'>"
    ):
        structure(int)
    with pytest.raises(CompileError, match=r"structure Empty has no annotated fields"):

        @structure
        class Empty(ctypes.Structure):
            pass

    for kind in (
        ctypes.c_uint64,
        ctypes.c_double,
        ctypes.c_char,
        int,
        ctypes.c_float * 3,
        ctypes.POINTER(ctypes.c_bool),
    ):
        cls = type("Bad", (ctypes.Structure,), {"__annotations__": {"ok": u8, "x": kind}})
        with pytest.raises(
            CompileError, match=r"field `x` of Bad is .*; allowed are c_int8, c_int16, .* and pointers to"
        ):
            structure(cls)


def extern(a: int) -> int:
    return a


def test_modules():
    module = Module("names")
    module.add(extern, "taken", export=True)
    with pytest.raises(CompileError, match=r"the name `taken` is taken in module `names`"):
        module.add(extern, "taken", export=True)
    with pytest.raises(CompileError, match=r":\d+: `extern` is already compiled in module `names`"):
        module.add_extern(extern, module.ir.globals["taken"])
    other = Module("other")
    wrong = ir.Function(other.ir, ir.FunctionType(ir.IntType(32), [ir.IntType(64)]), "wrong")
    with pytest.raises(
        CompileError, match=r"`extern` is i64 \(i64\) by its annotations, but .* given for it is i32 \(i64\)"
    ):
        other.add_extern(extern, wrong)


def test_native():
    target = native.Target.generic()
    with pytest.raises(CompileError, match=r"the module is not valid: LLVM IR parsing error\n.*expected top-level"):
        native.compile_module("nonsense", target)
    invalid = """
define i64 @f(i64 %a) {
x:
  br label %y
y:
  %b = phi i64 [0, %z], [0, %x]
  ret i64 %b
z:
  ret i64 1
}"""
    with pytest.raises(CompileError, match=r"the module is not valid: PHI"):
        native.compile_module(invalid, target)
    with pytest.raises(ValueError, match=r"level is 4; allowed are 0, 1, 2 and 3"):
        native.compile_module("", target, 4)
    with pytest.raises(ValueError, match=r"target 'z80' is not known; on this machine there are \['host', 'generic'"):
        native.Target.from_name("z80")
    loaded = native.load(native.compile_module("", native.Target.host()))
    with pytest.raises(KeyError, match=r"the loaded code has no function 'f'"):
        loaded.address("f")


@pytest.mark.parametrize("data", [b"", b"garbage of some length"])
def test_what_is_no_object_file(data):
    with pytest.raises(ValueError, match=rf"no object file, but {len(data)} bytes that begin with b'"):
        native.load(data)


def test_addresses_under_cpython():
    with pytest.raises(TypeError, match=r"address\(\) takes a structure, an array or a pointer, not 3"):
        address(3)
    with pytest.raises(TypeError, match=r"pointer\(\) takes a structure or a pointer type, not <class 'int'>"):
        pointer(int, 0)
