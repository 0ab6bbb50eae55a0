"""Memory: structures out of annotations, the aliases they are written with, and addresses; for CPython and compiled."""

import ctypes
import inspect
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeAlias, TypeVar, cast, get_args, get_origin

from fastatari.compiler.source import CompileError

T = TypeVar("T")
Element = TypeVar("Element")

u8 = Annotated[int, ctypes.c_uint8]
u16 = Annotated[int, ctypes.c_uint16]
u32 = Annotated[int, ctypes.c_uint32]
i8 = Annotated[int, ctypes.c_int8]
i16 = Annotated[int, ctypes.c_int16]
i32 = Annotated[int, ctypes.c_int32]
i64 = Annotated[int, ctypes.c_int64]


class Array(Generic[Element]):
    """What a type checker sees of an array field: `ram: Annotated[Array[int], ctypes.c_uint8 * 128]`.

    Also of a pointer to integers. Not to be instantiated: the values are those of ctypes.
    """

    if TYPE_CHECKING:

        def __getitem__(self, index: int) -> Element: ...
        def __setitem__(self, index: int, value: Element) -> None: ...


class Pointer(Array[Element]):
    """What a type checker sees of a pointer field to a structure: `next: Annotated[Pointer[Node], POINTER(Node)]`."""

    if TYPE_CHECKING:

        @property
        def contents(self) -> Element:  # noqa: D102
            ...


Ints = Array[int]

if TYPE_CHECKING:
    Pointer8: TypeAlias = Array[int]
    Pointer16: TypeAlias = Array[int]
    Pointer32: TypeAlias = Array[int]
    Pointer64: TypeAlias = Array[int]
    PointerI32: TypeAlias = Array[int]
else:
    Pointer8 = ctypes.POINTER(ctypes.c_uint8)
    Pointer16 = ctypes.POINTER(ctypes.c_uint16)
    Pointer32 = ctypes.POINTER(ctypes.c_uint32)
    Pointer64 = ctypes.POINTER(ctypes.c_int64)
    PointerI32 = ctypes.POINTER(ctypes.c_int32)

ALLOWED_FIELDS = (
    "allowed are c_int8, c_int16, c_int32, c_int64, c_uint8, c_uint16, c_uint32, structures, and arrays of and "
    "pointers to these"
)
_SIMPLE = ctypes.c_int8.__mro__[1]
_CODES = {"b": True, "h": True, "i": True, "l": True, "q": True, "B": False, "H": False, "I": False, "L": False}


POINTER_SIZE = ctypes.sizeof(ctypes.c_void_p)


def sizeof(kind: Any) -> int:
    """Bytes of a ctypes type."""
    return ctypes.sizeof(kind)


def integer_format(kind: Any) -> tuple[int, bool] | None:
    """Bits and signedness of one of ctypes' integers of at most 64 bits with sign, 32 without; else None."""
    if not (isinstance(kind, type) and issubclass(kind, _SIMPLE)):
        return None
    signed = _CODES.get(cast("Any", kind)._type_)
    bits = 8 * ctypes.sizeof(cast("Any", kind))
    return None if signed is None or (bits == 64 and not signed) else (bits, signed)


def is_structure(kind: Any) -> bool:
    """Whether `kind` is a class of structures."""
    return isinstance(kind, type) and issubclass(kind, ctypes.Structure)


def is_pointer(kind: Any) -> bool:
    """Whether `kind` is one of ctypes' pointer types."""
    return isinstance(kind, type) and issubclass(kind, ctypes._Pointer)


def is_array(kind: Any) -> bool:
    """Whether `kind` is one of ctypes' array types."""
    return isinstance(kind, type) and issubclass(kind, ctypes.Array)


def allowed(kind: Any) -> bool:
    """Whether memory may hold a `kind`: see ALLOWED_FIELDS. Fields of structures are looked at when they are used."""
    if is_pointer(kind) or is_array(kind):
        return allowed(kind._type_)
    if is_structure(kind):
        return isinstance(kind, type(ctypes.Structure)) and not issubclass(kind, ctypes.BigEndianStructure)
    return integer_format(kind) is not None


def kind_of(annotation: Any) -> Any:
    """The ctypes type that an annotation stands for: the one of `Annotated[..., type]`, or the annotation itself."""
    return get_args(annotation)[1] if get_origin(annotation) is Annotated else annotation


def kind_name(kind: Any) -> str:
    """A ctypes type in words, without an article."""
    if is_structure(kind):
        return f"structure {kind.__name__}"
    if is_array(kind):
        return f"array of {kind._length_} {kind_name(kind._type_)}"
    if is_pointer(kind):
        return f"pointer to {kind_name(kind._type_)}"
    format = integer_format(kind)
    return getattr(kind, "__name__", repr(kind)) if format is None else f"{'' if format[1] else 'u'}int{format[0]}"


def a_kind(kind: Any) -> str:
    """A ctypes type in words, with an article."""
    return f"{'an' if is_array(kind) or integer_format(kind) == (8, True) else 'a'} {kind_name(kind)}"


def structure(cls: type[T]) -> type[T]:
    """Build the fields of a `ctypes.Structure` from its annotations, in their order; a decorator.

    A base class's fields come first, as ctypes has it.

    Args:
        cls: The class. Every annotation is `Annotated[what a type checker sees, ctypes type]`, or one of the aliases
            `u8` .. `i64`, or a pointer type.

    Returns:
        The same class.

    Raises:
        CompileError: It is no structure, has no annotations, or one of them is none of the allowed types.
    """
    if not is_structure(cls):
        raise CompileError(f"@structure takes a class derived from ctypes.Structure, not {cls!r}")
    fields = []
    for name, annotation in inspect.get_annotations(cls, eval_str=True).items():
        kind = kind_of(annotation)
        if not allowed(kind):
            raise CompileError(f"field `{name}` of {cls.__name__} is {a_kind(kind)}; {ALLOWED_FIELDS}")
        fields.append((name, kind))
    if not fields:
        raise CompileError(f"structure {cls.__name__} has no annotated fields")
    cast("Any", cls)._fields_ = fields
    return cls


def address(x: Any) -> int:
    """The address of a structure or an array, or the one that a pointer holds (0 for none).

    Under CPython of any ctypes object; the memory stays owned by who made it.
    """
    if isinstance(x, ctypes.Structure | ctypes.Array):
        return ctypes.addressof(x)
    if isinstance(x, ctypes._Pointer):
        return ctypes.cast(x, ctypes.c_void_p).value or 0
    raise TypeError(f"address() takes a structure, an array or a pointer, not {x!r}")


def pointer(kind: type[T], address: int) -> T:
    """The structure at an address, or a pointer that holds it.

    The memory is not owned and must outlive the result; it must be aligned as the type asks for.

    Args:
        kind: A structure class, or a pointer type such as `Pointer8`.
        address: The address, in bytes.
    """
    type_: Any = kind_of(kind)
    if is_structure(type_):
        return cast("T", type_.from_address(address))
    if is_pointer(type_):
        return cast("T", ctypes.cast(address, type_))
    raise TypeError(f"pointer() takes a structure or a pointer type, not {kind!r}")


def copy_bytes(target: int, source: int, count: int) -> None:
    """Copy `count` bytes from address `source` to address `target`; the two do not overlap."""
    ctypes.memmove(target, source, count)
