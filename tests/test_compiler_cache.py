"""Programs: modules that are found on disk as machine code, or compiled and kept there."""

import ctypes
import gc
import platform

import pytest

from fastatari.compiler import Module, cache, native
from fastatari.compiler.notice import no_notice
from fastatari.compiler.programs import Program


def triple(a: int) -> int:
    return a * 3


class Part:
    """A program of one function, which counts how often it is built."""

    def __init__(self, folder, name="part", settings="", source="# the sources\n"):
        self.source = folder / "source.py"
        self.source.write_text(source)
        self.count = 0
        self.program = Program(name, self.build, (self.source,), settings)

    def build(self):
        self.count += 1
        assert not gc.isenabled()
        module = Module("part")
        module.add(triple, export=True)
        return str(module.ir)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where compiled code is kept."""
    monkeypatch.setenv("FASTATARI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("FASTATARI_CPU", raising=False)
    with no_notice():
        yield tmp_path / "cache" / "code"


def run(prepared):
    loaded = native.load(prepared.code)
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.address("triple"))(14)


def test_a_program_is_compiled_once_and_then_found(tmp_path, folder):
    part = Part(tmp_path)
    first = part.program.prepare()
    assert first.compiled
    assert first.path.parent == folder
    assert first.path.name.startswith("part-")
    assert first.seconds > 0
    assert run(first) == 42
    second = Part(tmp_path).program.prepare()
    assert not second.compiled
    assert (second.code, second.path) == (first.code, first.path)
    assert part.count == 1
    assert gc.isenabled()


@pytest.mark.parametrize("change", [{"settings": "other"}, {"source": "# other sources\n"}, {"name": "other"}])
def test_what_decides_about_a_program_is_in_its_key(tmp_path, folder, change):
    assert Part(tmp_path).program.prepare().compiled
    assert Part(tmp_path, **change).program.prepare().compiled
    assert not Part(tmp_path, **change).program.prepare().compiled
    assert len(list(folder.glob("*.code"))) == 2


def test_a_program_for_any_processor_is_taken_where_there_is_no_better_one(tmp_path, monkeypatch):
    generic = Part(tmp_path).program.prepare("generic")
    assert generic.compiled
    found = Part(tmp_path).program.prepare()
    assert (found.compiled, found.path) == (False, generic.path)
    assert Part(tmp_path).program.prepare("host").compiled
    assert Part(tmp_path).program.prepare().path != generic.path
    monkeypatch.setenv("FASTATARI_CPU", "generic")
    assert Part(tmp_path).program.prepare().path == generic.path
    assert Part(tmp_path).program.prepare("host").path != generic.path


def test_a_program_that_is_chosen_by_name_is_not_replaced_by_another(tmp_path, monkeypatch):
    Part(tmp_path).program.prepare("generic")
    monkeypatch.setenv("FASTATARI_CPU", "host")
    assert Part(tmp_path).program.prepare().compiled


def test_an_unknown_processor_is_refused(tmp_path):
    part = Part(tmp_path)
    with pytest.raises(ValueError, match=r"target 'z80' is not known; on this machine there are \['host', 'generic'"):
        part.program.prepare("z80")
    assert part.count == 0


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="levels of x86-64")
def test_levels_of_a_processor_are_told_apart(tmp_path):
    paths = {Part(tmp_path).program.prepare(cpu).path for cpu in ("generic", "x86-64-v2", "x86-64")}
    assert len(paths) == 2


def test_a_program_that_cannot_be_kept_is_compiled_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folders", list)
    prepared = Part(tmp_path).program.prepare()
    assert (prepared.compiled, prepared.path) == (True, None)
    assert run(prepared) == 42


def test_an_error_while_building_goes_through_and_leaves_the_collector_on(tmp_path):
    def build():
        assert not gc.isenabled()
        raise ZeroDivisionError("in the sources")

    part = Part(tmp_path)
    with pytest.raises(ZeroDivisionError, match="in the sources"):
        Program("part", build, (part.source,)).prepare()
    assert gc.isenabled()
    gc.disable()
    try:
        part.program.compile(native.Target.host())
        assert not gc.isenabled()
    finally:
        gc.enable()
