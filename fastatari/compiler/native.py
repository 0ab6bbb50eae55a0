"""From LLVM's language to machine code: compile a module's text for a target, and load what came out."""

import ctypes
import dataclasses
import os
import platform
import re
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from fastatari.compiler.source import CompileError

_X86 = ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4")
_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe")  # Linux and Windows, macOS
_NAMES = {"x86_64": _X86, "amd64": _X86, "arm64": (), "aarch64": ()}

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()


@dataclasses.dataclass(frozen=True, order=True)
class Target:
    """The processor that machine code is for; equal targets give equal code with the same llvmlite.

    Attributes:
        triple: LLVM's name of architecture, vendor and system.
        cpu: LLVM's name of the processor.
        features: What it can do beyond or below that name, as LLVM writes it: "+avx2,-sse4a".
    """

    triple: str
    cpu: str
    features: str = ""

    @classmethod
    def host(cls) -> "Target":
        """This very processor."""
        try:
            features = llvm.get_host_cpu_features().flatten()
        except RuntimeError:  # LLVM does not know how to ask on this system
            features = ""
        return cls(_triple(), llvm.get_host_cpu_name(), ",".join(sorted(filter(None, features.split(",")))))

    @classmethod
    def generic(cls) -> "Target":
        """The least that every processor of this architecture can do."""
        return cls(_triple(), _names()[0] if _names() else "generic")

    @classmethod
    def from_name(cls, name: str) -> "Target":
        """A target by name: "host", "generic", or a level of x86-64 such as "x86-64-v3".

        Raises:
            ValueError: There is none of that name on this architecture.
        """
        if name == "host":
            return cls.host()
        if name == "generic":
            return cls.generic()
        if name not in _names():
            raise ValueError(
                f"target {name!r} is not known; on this machine there are {['host', 'generic', *_names()]}"
            )
        return cls(_triple(), name)

    def __str__(self) -> str:
        return f"{self.triple} {self.cpu} {self.features}".rstrip()


def _triple() -> str:
    """This system's. On Windows LLVM's loader takes no objects but ELF's."""
    return str(llvm.get_process_triple()) + ("-elf" if os.name == "nt" else "")


def _names() -> tuple[str, ...]:
    return _NAMES.get(platform.machine().lower(), ())


def _machine(target: Target, level: int) -> llvm.TargetMachine:
    """LLVM's target machine. In the large code model nothing depends on where in memory a section is put."""
    found = llvm.Target.from_triple(target.triple)
    return found.create_target_machine(
        cpu=target.cpu, features=target.features, opt=level, reloc="default", codemodel="large", jit=True
    )


def compile_module(text: str, target: Target, level: int = 1) -> bytes:
    """Compile a module.

    Args:
        text: LLVM's language: `str(module.ir)`. Its triple and data layout are replaced by the target's.
        target: What the code is for.
        level: How much to optimise: 0 to 3.

    Returns:
        An object file, for `load`.

    Raises:
        CompileError: LLVM cannot parse the text, or finds the module not valid.
        ValueError: `level` is none.
    """
    if level not in (0, 1, 2, 3):
        raise ValueError(f"level is {level!r}; allowed are 0, 1, 2 and 3")
    machine = _machine(target, level)
    head = f'target triple = "{target.triple}"\ntarget datalayout = "{machine.target_data}"\n'
    body = re.sub(r"^target (triple|datalayout) = .*$", "", text, count=2, flags=re.MULTILINE)
    try:
        module = llvm.parse_assembly(head + body)
        module.verify()
    except RuntimeError as error:
        raise CompileError(f"the module is not valid: {error}") from error
    with module:
        options = llvm.create_pipeline_tuning_options(speed_level=level)
        # The loops of registers and few words are short: vectors of them only fill the registers.
        options.loop_vectorization = options.slp_vectorization = options.loop_interleaving = False
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        return bytes(machine.emit_object(module))


class Loaded:
    """Machine code in memory; it stays there as long as this object does.

    Args:
        object_bytes: An object file out of `compile_module` for this processor, whole: LLVM does not check it, and a
            damaged one ends the process.

    Raises:
        ValueError: It is no object file at all.
    """

    def __init__(self, object_bytes: bytes) -> None:
        if not object_bytes.startswith(_MAGIC):
            raise ValueError(f"no object file, but {len(object_bytes)} bytes that begin with {object_bytes[:8]!r}")
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine(Target.host(), 1))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(object_bytes))
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """The address of an exported function.

        Raises:
            KeyError: There is none of that name.
        """
        found = self._engine.get_function_address(name)
        if not found:
            raise KeyError(f"the loaded code has no function {name!r}")
        return int(found)

    def function(self, name: str, count: int, holds_gil: bool = False) -> Callable[..., int]:
        """An exported function of ``count`` integers that returns one, to be called from Python.

        Args:
            name: Its name.
            count: How many arguments it has.
            holds_gil: Whether callers keep the GIL, so that no other thread runs Python meanwhile.

        Raises:
            KeyError: There is none of that name.
        """
        prototype: Any = ctypes.PYFUNCTYPE if holds_gil else ctypes.CFUNCTYPE
        made: Callable[..., int] = prototype(ctypes.c_int64, *(ctypes.c_int64,) * count)(self.address(name))
        return made


def load(object_bytes: bytes) -> Loaded:
    """Put an object file of `compile_module` into memory, ready to be called."""
    return Loaded(object_bytes)
