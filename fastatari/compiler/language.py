"""The compiler's module: functions that are compiled together, and the constant tables they read."""

import ast
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir

from fastatari.compiler import memory
from fastatari.compiler.accesses import Accesses
from fastatari.compiler.functions import PTR, Signature, declare, marked
from fastatari.compiler.source import CompileError, Source, text_of
from fastatari.compiler.statements import Body
from fastatari.compiler.values import Known, Table, python_integer, table_format, words


class Module:
    """Functions in Python, compiled into one module of LLVM's language.

    Independent of the target. The text, `str(module.ir)`, is the same for the same functions added in the same order.

    Args:
        name: Names the module in its text.

    Attributes:
        ir: The `llvmlite.ir.Module`; other code may be added to it by hand.
    """

    def __init__(self, name: str) -> None:
        self.ir = ir.Module(name, context=ir.Context())
        self._functions: dict[FunctionType, ir.Function] = {}
        self._sources: dict[FunctionType, tuple[Source, Signature]] = {}
        self._waiting: list[FunctionType] = []
        self._tables: dict[Any, Any] = {}
        self._objects: list[Any] = []
        self._formats: dict[Any, tuple[ir.IntType, bool, int] | None] = {}
        self._fields: dict[tuple[Any, str], tuple[Any, int]] = {}

    def add(self, function: Any, name: str | None = None, export: bool = False) -> ir.Function:
        """Compile a function and all that it calls, unless that is done.

        Args:
            function: A plain Python function in the compiled language.
            name: Its name in the module; by default the function's own. Of an exported function it is exactly that
                name, of others a number may be appended to it.
            export: Whether it can be called from outside, by its name, with C's calling convention.

        Returns:
            The function in LLVM's language, of integers as i64 and of pointers.

        Raises:
            CompileError: Something is not part of the language (the message says where, what, and what is allowed), or
                the exported name is taken.
        """
        known = function in self._functions
        if export:
            name = name or str(getattr(function, "__name__", ""))
            if name in self.ir.globals:
                raise CompileError(f"the name `{name}` is taken in module `{self.ir.name}`")
            result = self.function(function, name)
            if known:
                result = self._forward(result, name)
            result.linkage = "external"
        else:
            result = self.function(function, name)
        self._compile_waiting()
        return result

    def add_extern(self, function: Any, llvm_function: ir.Function) -> None:
        """Call `llvm_function` wherever the Python function is called.

        Args:
            function: A plain Python function, the twin; its body is not compiled, its annotations hold.
            llvm_function: A function in this module, of i64 for integers and ptr for pointers.

        Raises:
            CompileError: Its type is another than the annotations say, or the function was compiled or called before.
        """
        source, signature = self._source(function)
        if function in self._functions:
            source.refuse(source.node, f"`{function.__name__}` is already compiled in module `{self.ir.name}`")
        if str(llvm_function.function_type) != str(signature.type):
            source.refuse(
                source.node,
                f"`{function.__name__}` is {signature.type} by its annotations, but the function given for it is "
                f"{llvm_function.function_type}",
            )
        self._functions[function] = llvm_function

    # What the bodies ask for

    def function(self, function: FunctionType, name: str | None = None) -> ir.Function:
        """The function in LLVM's language; its body may come later."""
        result = self._functions.get(function)
        if result is None:
            source, signature = self._source(function)
            mark = marked(function)
            if callable(mark):
                source.refuse(source.node, f"`{function.__name__}` is an intrinsic: it has no address and no body")
            wanted = name or function.__qualname__.replace("<locals>.", "")
            result = declare(self.ir, self.ir.get_unique_name(wanted), signature, mark)
            self._functions[function] = result
            self._waiting.append(function)
        return result

    def signature(self, function: FunctionType) -> Signature:
        """What the function takes and returns."""
        return self._source(function)[1]

    def format(self, kind: Any) -> tuple[ir.IntType, bool, int] | None:
        """LLVM's type, the signedness and the bytes of an integer in memory; None for all else."""
        try:
            return self._formats[kind]
        except KeyError:
            found = memory.integer_format(kind)
            result = None if found is None else (_INTEGERS[found[0]], found[1], found[0] // 8)
            self._formats[kind] = result
            return result

    def field(self, body: Accesses, node: ast.Attribute, kind: Any) -> tuple[Any, int]:
        """Type and offset of a field of a structure."""
        key = (kind, node.attr)
        known = self._fields.get(key)
        if known is None:
            for base in kind.__mro__:
                for field in base.__dict__.get("_fields_", ()):
                    if field[0] == node.attr:
                        if len(field) > 2:
                            body.refuse(node, f"field `{node.attr}` of {kind.__name__} is a bit field")
                        if not memory.allowed(field[1]):
                            body.refuse(
                                node,
                                f"field `{node.attr}` of {kind.__name__} is {memory.a_kind(field[1])}; "
                                f"{memory.ALLOWED_FIELDS}",
                            )
                        known = self._fields[key] = (field[1], getattr(kind, node.attr).offset)
                        return known
            body.refuse(node, f"{text_of(node.value)} is {memory.a_kind(kind)}, which has no field `{node.attr}`")
        return known

    def table(self, body: Accesses, node: ast.expr, found: Any) -> Table:
        """A tuple, list or array of numpy as a constant in the module."""
        known = self._tables.get(id(found))
        if known is None:
            numbers = []
            for element in found.flat if isinstance(found, np.ndarray) else found:
                number = python_integer(element)
                if number is None:
                    body.refuse(node, f"the table of {text_of(node)} has {words(Known(element))} in it; {_TABLES}")
                numbers.append(number)
            format = table_format(min(numbers, default=0), max(numbers, default=0))
            if format is None or not numbers:
                what = "no elements" if not numbers else "integers of more than 64 bits with sign"
                body.refuse(node, f"the table of {text_of(node)} has {what}; {_TABLES}")
            key = (format, tuple(numbers))
            known = self._tables.get(key)
            if known is None:
                element_type = _INTEGERS[format[0]]
                variable = self._constant("table", ir.ArrayType(element_type, len(numbers)), numbers)
                known = self._tables[key] = Table(variable, element_type, format[1])
            self._tables[id(found)] = known
            self._objects.append(found)  # else another object could come to have its id
        return known

    def function_table(self, body: Accesses, node: ast.expr, found: Any) -> tuple[ir.GlobalVariable, Signature]:
        """A tuple of functions as a constant in the module."""
        known = self._tables.get(id(found))
        if known is None:
            for function in found:
                if not isinstance(function, FunctionType):
                    body.refuse(node, f"the table of {text_of(node)} has {words(Known(function))} in it; {_TABLES}")
            signature = self.signature(found[0])
            for function in found:
                if not self.signature(function).same(signature):
                    body.refuse(
                        node,
                        f"`{function.__name__}` in the table of {text_of(node)} is {self.signature(function)}, "
                        f"`{found[0].__name__}` {signature}; allowed are functions of one signature",
                    )
            # llvmlite would write the functions' old pointer types
            pointers = [ir.FormattedConstant(PTR, self.function(function).get_reference()) for function in found]
            known = self._constant("functions", ir.ArrayType(PTR, len(pointers)), pointers), signature
            self._tables[id(found)] = known
            self._objects.append(found)
        return known

    def _constant(self, name: str, type_: ir.Type, elements: list[Any]) -> ir.GlobalVariable:
        """A constant array in the module."""
        variable = ir.GlobalVariable(self.ir, type_, self.ir.get_unique_name(name))
        variable.type = PTR  # llvmlite makes an old pointer to an array of it
        variable.initializer = ir.Constant(type_, elements)
        variable.global_constant = True
        variable.linkage = "internal"
        return variable

    def _source(self, function: Any) -> tuple[Source, Signature]:
        """Source and signature of a function."""
        known = self._sources.get(function)
        if known is None:
            source = Source(function)
            known = self._sources[function] = (source, Signature(source))
        return known

    def _compile_waiting(self) -> None:
        """Compile what was called, and what that calls."""
        while self._waiting:
            function = self._waiting.pop()
            source, signature = self._sources[function]
            Body(self, source, self._functions[function], signature)

    def _forward(self, function: ir.Function, name: str) -> ir.Function:
        """Another function under that name that calls the first: names in LLVM's text cannot be changed later."""
        result = ir.Function(self.ir, function.function_type, name)
        result.attributes.add("nounwind")
        builder = ir.IRBuilder(result.append_basic_block())
        value = builder.call(function, result.args)
        if isinstance(function.function_type.return_type, ir.VoidType):
            builder.ret_void()
        else:
            builder.ret(value)
        return result


_INTEGERS = {bits: ir.IntType(bits) for bits in (8, 16, 32, 64)}
_TABLES = "allowed are tables of integers and tables of functions"
