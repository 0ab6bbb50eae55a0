"""The source of a function that is compiled: its parsed text, what its names stand for, and where an error is."""

import ast
import builtins
import linecache
from types import CodeType, FunctionType
from typing import Any, NoReturn

Definitions = dict[tuple[int, str], list[ast.FunctionDef]]

_definitions: dict[str, tuple[list[str], Definitions]] = {}
_parsed: dict[tuple[str, CodeType], "Parsed"] = {}


class CompileError(ValueError):
    """What was found is not part of the compiled language, or is not valid.

    Attributes:
        file: The file it was found in, or None where no place in a file is at fault.
        line: The line there, from 1, or None.
    """

    def __init__(self, message: str, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message if file is None else f"{file}:{line}: {message}")
        self.file = file
        self.line = line


class Parsed:
    """What all functions with the same code share: many closures of a factory are parsed once.

    Attributes:
        node: The parsed definition.
        file: The file as error messages name it.
        locals: The names that the function assigns, its parameters included.
    """

    def __init__(self, function: FunctionType) -> None:
        code = function.__code__
        self.file = _short_name(function)
        self.locals = frozenset(code.co_varnames) | frozenset(code.co_cellvars)
        if code.co_name == "<lambda>":
            raise CompileError(
                "a lambda is not part of the compiled language; write a function", self.file, code.co_firstlineno
            )
        found = _file_definitions(function).get((code.co_firstlineno, code.co_name), [])
        if len(found) != 1:
            raise CompileError(
                f"the source of `{code.co_name}` is not here: a compiled function needs its file as it was imported",
                self.file,
                code.co_firstlineno,
            )
        self.node = found[0]


class Source:
    """A function: its parsed text, and its names.

    Args:
        function: A plain Python function.

    Raises:
        CompileError: It is not one, or its source cannot be found.
    """

    def __init__(self, function: FunctionType) -> None:
        if not isinstance(function, FunctionType):
            raise CompileError(f"{function!r} cannot be compiled: allowed is a function written in Python")
        key = (function.__code__.co_filename, function.__code__)  # codes of two files can be equal
        parsed = _parsed.get(key)
        if parsed is None:
            parsed = _parsed[key] = Parsed(function)
        self.function = function
        self.node = parsed.node
        self.file = parsed.file
        self.locals = parsed.locals
        self.globals = function.__globals__
        self.closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))

    def refuse(self, node: ast.AST, message: str) -> NoReturn:
        """Raise a CompileError that says where `node` is."""
        raise CompileError(message, self.file, getattr(node, "lineno", self.node.lineno))

    def lookup(self, node: ast.AST, name: str) -> Any:
        """What a name that is not assigned in the function stands for: closure, then globals, then builtins."""
        cell = self.closure.get(name)
        if cell is not None:
            try:
                return cell.cell_contents
            except ValueError:
                self.refuse(node, f"`{name}` of the enclosing function has no value yet")
        if name in self.globals:
            return self.globals[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return self.refuse(node, f"`{name}` is not defined")

    def annotation(self, node: ast.AST, name: str) -> Any:
        """The annotation of a parameter, or of the result (`return`), evaluated if it is a text.

        Raises:
            CompileError: There is none, or its text cannot be evaluated.
        """
        try:
            annotations = self.function.__annotations__
        except NameError as error:  # Python 3.14 evaluates them here
            self.refuse(node, f"the annotations of `{self.node.name}` cannot be evaluated: {error}")
        if name not in annotations:
            what = "the result" if name == "return" else f"parameter `{name}`"
            self.refuse(node, f"{what} of `{self.node.name}` has no annotation; {ALLOWED_ANNOTATIONS}")
        annotation = annotations[name]
        if not isinstance(annotation, str):
            return annotation
        if annotation in self.globals and annotation not in self.closure:
            return self.globals[annotation]
        cells = {}
        for cell_name, cell in self.closure.items():
            try:
                cells[cell_name] = cell.cell_contents
            except ValueError:
                continue
        try:
            return eval(annotation, self.globals, cells)
        except Exception as error:
            return self.refuse(node, f"annotation `{annotation}` cannot be evaluated: {type(error).__name__}: {error}")


ALLOWED_ANNOTATIONS = (
    "allowed are int, bool, a structure and a pointer such as Pointer8; for results int, bool and None"
)


def text_of(node: ast.AST) -> str:
    """The node as text for a message, in backticks, shortened."""
    text = ast.unparse(node).split("\n", 1)[0]
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def _short_name(function: FunctionType) -> str:
    """The file relative to where its top package lies, or as Python knows it."""
    file = function.__code__.co_filename
    parts = (function.__module__ or "").split(".")
    path = file.replace("\\", "/")
    for tail in ("/".join(parts) + ".py", "/".join([*parts, "__init__.py"])):
        if path.endswith("/" + tail):
            return tail
    return file


def _file_definitions(function: FunctionType) -> Definitions:
    """All function definitions of the function's file, by first line (of a decorator, if any) and name."""
    file = function.__code__.co_filename
    lines = linecache.getlines(file, function.__globals__)
    known = _definitions.get(file)
    if known is None or known[0] is not lines:
        found: Definitions = {}
        try:
            tree = ast.parse("".join(lines))
        except SyntaxError:  # the file was changed since it was imported
            tree = ast.Module([], [])
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                found.setdefault((first, node.name), []).append(node)
        known = _definitions[file] = (lines, found)
    return known[1]
