import errno
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from fastatari.cli.main import main
from fastatari.compiler import cache

KEY, OTHER_KEY = "one key", "another key"
CODE = np.random.default_rng(0).bytes(5000)
NOTICE = "fastatari: compiling for this machine, once; this takes some seconds\n"

# Users of the process are told apart, and root passes by every permission.
IS_ROOT = sys.platform != "win32" and os.geteuid() == 0
NOBODY = 65534

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="owners, modes, locks and pipes of POSIX")


@pytest.fixture(autouse=True)
def complaint(monkeypatch):
    """A process that has not warned yet."""
    monkeypatch.setattr(cache, "_COMPLAINT", cache._Complaint())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder for compiled code; that for temporary files is another."""
    monkeypatch.setenv("FASTATARI_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "cache" / "code"


@pytest.fixture
def second_folder(tmp_path):
    """The one for temporary files."""
    return tmp_path / "tmp" / f"fastatari-{os.geteuid()}"


def put(name="part", key=KEY, code=CODE, **kwargs):
    return cache.load_or_build(name, key, lambda: code, **kwargs)


def get(name="part", key=KEY, **kwargs):
    """Return what is on disk; to build it is an error."""
    return cache.load_or_build(name, key, lambda: pytest.fail("not on disk"), **kwargs)


def names(folder, suffix=".code"):
    return sorted(path.name for path in folder.iterdir() if path.suffix == suffix)


def run(program, *arguments, check=True, **kwargs):
    return subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(program), *map(str, arguments)],
        capture_output=True, text=True, check=check, timeout=120, **kwargs,
    )  # fmt: skip


# Files that are whole.


def test_code_is_built_once_and_then_found(folder):
    built = put()
    assert built == (CODE, folder / names(folder)[0], True)
    assert get() == (CODE, built.path, False)
    other = put(key=OTHER_KEY, code=b"")
    assert names(folder) == sorted([built.path.name, other.path.name])
    assert get(key=OTHER_KEY).code == b""
    assert get().code == CODE


def test_nobody_else_may_write_whatever_the_umask_is_and_others_may_read(folder):
    before = os.umask(0)
    try:
        path = put().path
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_an_alternative_is_taken_if_there_is_nothing_better(folder):
    put(key="generic", code=b"generic")
    assert get(alternatives=["generic"]).code == b"generic"
    put(key=KEY, code=b"host")
    assert get(alternatives=["generic"]).code == b"host"


def test_an_exception_of_the_compiler_goes_through_and_leaves_nothing_locked(folder, monkeypatch):
    def build():
        raise SyntaxError("of the compiler")

    monkeypatch.setattr(cache, "_MAX_WAIT", 60)
    for _ in range(2):
        with pytest.raises(SyntaxError, match="of the compiler"):
            cache.load_or_build("part", KEY, build)
    assert put().is_new
    assert names(folder, ".tmp") == []


def test_the_newest_files_of_a_name_are_kept(folder):
    put("part.other")
    for number in range(12):
        path = put(key=str(number)).path
        os.utime(path, (1000 + number, 1000 + number))
    assert len(names(folder)) == 1 + cache._MAX_FILES
    assert get("part.other").code == CODE
    for number in range(12 - cache._MAX_FILES, 12):
        assert get(key=str(number)).code == CODE
    assert cache.load("part", [str(11 - cache._MAX_FILES)]) is None


# Damage.


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut in the header": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "without code": lambda path: path.write_bytes(path.read_bytes()[: len(cache._MAGIC) + cache._DIGEST_SIZE]),
    "cut": cut,
    "a bit": flip,
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "random": lambda path: path.write_bytes(np.random.default_rng(1).bytes(6000)),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "huge": lambda path: os.truncate(path, 2**40),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path)),
    "of another key": lambda path: shutil.copy(put(key=OTHER_KEY).path, path),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_a_miss_with_one_warning_and_is_replaced(folder, damage):
    path = put().path
    damage(path)
    with pytest.warns(RuntimeWarning, match="is not used, but made anew") as caught:
        assert put(code=b"new") == (b"new", path, True)
    assert len(caught) == 1
    assert str(folder) in str(caught[0].message)
    assert get() == (b"new", path, False)
    assert names(folder, ".tmp") == []


def test_a_process_warns_once(folder):
    for name in "abc":
        put(name).path.write_bytes(b"")
    with pytest.warns(RuntimeWarning, match=r"a-\w+\.code is damaged") as caught:
        assert all(put(name).is_new for name in "abc")
    assert len(caught) == 1


def test_where_warnings_are_errors_the_file_is_repaired_all_the_same(folder):
    put().path.write_bytes(b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="made anew"):
            put()
        assert get().code == CODE


def test_a_full_folder_in_the_place_of_the_file_is_left_alone(folder, second_folder):
    path = put().path
    path.unlink()
    (path / "somebody's").mkdir(parents=True)
    with pytest.warns(RuntimeWarning, match="not a file"):
        assert put().path == second_folder / path.name
    assert get().code == CODE
    assert (path / "somebody's").is_dir()


# Folders that are of no use.


def test_a_folder_that_cannot_be_made_is_told_if_it_was_chosen(folder, second_folder):
    folder.parent.write_text("a file")
    with pytest.warns(RuntimeWarning, match=f"cannot be kept in {folder}.*it is kept in {second_folder}"):
        assert put().path.parent == second_folder
    assert get().path.parent == second_folder
    assert stat.S_IMODE(second_folder.stat().st_mode) == 0o700


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no file system to which nobody can write")
def test_a_home_that_cannot_be_written_to_is_no_reason_to_warn(folder, second_folder, monkeypatch):
    monkeypatch.delenv("FASTATARI_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    assert put().path.parent == second_folder
    assert get().code == CODE


def test_without_any_folder_the_code_stays_in_memory(folder, second_folder):
    folder.parent.write_text("a file")
    second_folder.write_text("a file")
    with pytest.warns(RuntimeWarning, match="every process compiles it") as caught:
        assert [put() for _ in range(2)] == [(CODE, None, True)] * 2
    assert len(caught) == 1


def test_no_home_and_no_folder_for_temporary_files(folder, monkeypatch):
    def fail(*_):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setenv("FASTATARI_CACHE_DIR", "~nobody-of-this-name/cache")
    monkeypatch.setattr("tempfile.gettempdir", fail)
    assert cache.folders() == []
    assert put() == (CODE, None, True)


def test_a_folder_that_vanishes_meanwhile(folder):
    def build():
        shutil.rmtree(folder.parent)
        return CODE

    assert cache.load_or_build("part", KEY, build).path.parent == folder
    assert get().code == CODE


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_a_folder_that_others_can_write_to_is_not_trusted(folder, second_folder, mode):
    path = put().path
    folder.chmod(mode)
    with pytest.warns(RuntimeWarning, match=f"can be written to by other users .mode {mode:o}") as caught:
        assert put(code=b"new") == (b"new", second_folder / path.name, True)
    assert len(caught) == 1
    assert get().code == b"new"


def test_a_file_that_others_can_write_to_is_not_trusted(folder):
    path = put().path
    path.chmod(0o666)
    with pytest.warns(RuntimeWarning, match=r"code can be written to by other users"):
        assert put(code=b"new").is_new
    assert get().code == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_another_user_owns_is_not_trusted(folder, monkeypatch, what):
    path = put().path
    if not IS_ROOT:
        monkeypatch.setattr(cache, "_user", lambda: NOBODY)
        path = None  # all of them are somebody else's then
    else:
        os.chown(folder if what == "folder" else path, NOBODY, -1)
    with pytest.warns(RuntimeWarning, match="belongs to another user") as caught:
        entry = put(code=b"new")
    assert entry.is_new
    assert len(caught) == 1
    assert path is None or (entry.path == path) == (what == "file")


def test_a_link_in_the_folder_for_all_is_not_followed(folder, second_folder, tmp_path):
    folder.parent.write_text("a file")
    (tmp_path / "elsewhere").mkdir()
    second_folder.symlink_to(tmp_path / "elsewhere")
    with pytest.warns(RuntimeWarning, match="every process compiles it"):
        assert put().path is None
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_what_root_compiled_ahead_is_used_by_others_who_cannot_write_there(tmp_path):
    # Not in pytest's own folder, which is closed to others.
    program = """
        import os, sys
        sys.dont_write_bytecode = True
        from fastatari.compiler import cache
        entry = cache.load_or_build("part", "key", lambda: b"code of root")
        os.setuid(65534)
        again = cache.load_or_build("part", "key", lambda: sys.exit("not found"))
        assert again == (b"code of root", entry.path, False)
        try:
            open(entry.path, "r+b")
        except PermissionError:
            print("found", entry.is_new)
    """
    shared = Path("/tmp") / f"fastatari-test-{os.getpid()}"
    try:
        result = run(program, env={**os.environ, "FASTATARI_CACHE_DIR": str(shared)}, check=False)
    finally:
        shutil.rmtree(shared, ignore_errors=True)
    assert (result.stdout, result.stderr) == ("found True\n", NOTICE)


def test_a_file_that_was_kept_elsewhere_is_brought_to_the_folder(folder, second_folder):
    folder.parent.write_text("a file")
    with pytest.warns(RuntimeWarning, match="cannot be kept"):
        path = put().path
    assert path.parent == second_folder
    assert cache.bring(path) is path  # there is no better place yet
    folder.parent.unlink()
    assert cache.bring(path) == folder / path.name
    assert get() == (CODE, folder / path.name, False)
    assert cache.bring(folder / path.name) == folder / path.name


# Disks that fill up.


def test_a_file_that_cannot_be_written_to_its_end_leaves_nothing(folder):
    program = """
        import resource, sys, warnings
        from fastatari.compiler import cache
        warnings.simplefilter("always")
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # a quota, as it were
        print(cache.load_or_build("part", "one key", lambda: bytes(100_000))[1:])
        print(cache.load_or_build("part", "small", lambda: bytes(1000))[2])
    """
    result = run(program)
    assert result.stdout == "(None, True)\nTrue\n"
    assert result.stderr.count("RuntimeWarning") == 1
    assert f"compiled code cannot be kept in {folder}: [Errno {errno.EFBIG}]" in result.stderr
    assert names(folder, ".tmp") == []
    assert len(names(folder)) == 1


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=64k none {disk}"
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "sh", "-c", mount], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    program = """
        import os, sys, warnings
        from fastatari.compiler import cache
        warnings.simplefilter("always")
        print(cache.load_or_build("part", "key", lambda: bytes(200_000))[1:])
        print([name for name in os.listdir(sys.argv[1] + "/code") if not name.endswith(".lock")])
        print(cache.load_or_build("part", "small", lambda: b"fits").path is not None)
    """
    script = f'{mount} && exec "{sys.executable}" -P -c "$0" {disk}'
    result = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, textwrap.dedent(program)],
        capture_output=True, text=True, check=True,
        env={**os.environ, "FASTATARI_CACHE_DIR": str(disk), "TMPDIR": str(disk)},
    )  # fmt: skip
    assert result.stdout == "(None, True)\n[]\nTrue\n"
    assert result.stderr.count("RuntimeWarning") == 1
    assert f"[Errno {errno.ENOSPC}] No space left on device" in result.stderr


# Many processes.

BUILD_SLOWLY = """
    import sys, time
    from fastatari.compiler import cache
    if sys.argv[2] == "unlocked":
        cache._take_lock = lambda name: None
    def build():
        with open(sys.argv[1], "a") as log:
            log.write("built\\n")
        time.sleep(0.5)
        return bytes(range(256)) * 4000
    while not __import__("os").path.exists(sys.argv[1] + ".go"):
        time.sleep(0.01)
    entry = cache.load_or_build("part", "key", build)
    assert entry.code == bytes(range(256)) * 4000 and entry.path
"""


@pytest.mark.parametrize("locks", ["locked", "unlocked"])
def test_many_processes_at_once(folder, tmp_path, locks):
    log = tmp_path / "log"
    command = [sys.executable, "-P", "-W", "error", "-c", textwrap.dedent(BUILD_SLOWLY), str(log), locks]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    time.sleep(1)
    log.with_suffix(".go").touch()
    said = [process.communicate()[1] for process in processes]
    assert {process.returncode for process in processes} == {0}
    count = log.read_text().count("built\n")
    assert count == 1 or locks == "unlocked"
    assert sorted(said) == [""] * (8 - count) + [NOTICE] * count
    assert len(names(folder)) == 1
    assert names(folder, ".tmp") == []


def test_who_holds_the_lock_for_long_is_not_waited_for(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_MAX_WAIT", 0.2)
    with cache._turn("part"):
        started = time.monotonic()
        assert put().is_new
        assert time.monotonic() - started < 5
    assert get().code == CODE


def test_a_writer_that_is_killed_leaves_no_file_to_be_read(folder):
    program = """
        import os, signal
        from fastatari.compiler import cache
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        cache.load_or_build("part", "one key", lambda: bytes(100_000))
    """
    assert run(program, check=False).returncode == -signal.SIGKILL
    assert names(folder) == []
    (leftover,) = names(folder, ".tmp")
    assert put().is_new  # and the lock went with the process
    assert names(folder, ".tmp") == [leftover]  # it could be somebody's who is still writing
    os.utime(folder / leftover, (0, 0))
    put(key=OTHER_KEY)
    assert names(folder, ".tmp") == []


# Keys and folders.


def test_a_key_covers_the_target_and_every_source(tmp_path):
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__.py", "a.py", "inner/b.py"):
        (package / name).write_text(f"# {name}")
    module = types.ModuleType("package")
    module.__file__ = str(package / "__init__.py")
    key = cache.make_key("a target", module)
    assert key == cache.make_key("a target", package) == cache.make_key("a target", str(package))
    assert "llvmlite" in key
    keys = {key, cache.make_key("a target", package, package / "a.py"), cache.make_key("another", package)}
    (package / "inner" / "b.py").write_text("# changed")
    keys.add(cache.make_key("a target", package))
    (package / "inner" / "b.py").rename(package / "inner" / "c.py")
    keys.add(cache.make_key("a target", package))
    (package / "data.json").write_text("{}")
    assert cache.make_key("a target", package) in keys
    assert len(keys) == 5


def test_sources_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="no Python sources in"):
        cache.make_key("a target", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"missing\.py"):
        cache.make_key("a target", tmp_path / "missing.py")


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_the_folders_in_their_order(folder, second_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folders() == [folder, second_folder]
    monkeypatch.setenv("FASTATARI_CACHE_DIR", "~/mine")
    assert cache.folders() == [Path("/home/somebody/mine/code"), second_folder]
    monkeypatch.setenv("FASTATARI_CACHE_DIR", "")
    assert cache.folders() == [tmp_path / "xdg" / "fastatari" / "code", second_folder]
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the standard says to ignore
    assert cache.folders() == [Path("/home/somebody/.cache/fastatari/code"), second_folder]


# The notice.

BUILD_TWO = """
    import sys
    from fastatari.compiler import cache
    def build():
        sys.stderr.write("building\\n")
        return b"code"
    for name in ("one", "two"):
        cache.load_or_build(name, "key", build)
"""


def test_a_process_that_compiles_says_so_once_and_before(folder):
    assert run(BUILD_TWO).stderr == NOTICE + 2 * "building\n"
    assert run(BUILD_TWO).stderr == ""


@pytest.mark.parametrize("stderr", ["None", "open('/dev/full', 'w')", "closed"])
def test_the_notice_may_get_lost(folder, stderr):
    program = """
        import io, os, sys
        from fastatari.compiler import cache
        closed = io.StringIO()
        closed.close()
        sys.stderr = {}
        print(cache.load_or_build("one", "key", lambda: b"code").code, flush=True)
        os._exit(0)
    """
    result = run(program.format(stderr))
    assert (result.stdout, result.stderr) == ("b'code'\n", "")


# The command.

PLAY = """
    import itertools, sys
    from fastatari.compiler.programs import Program
    Program.compile = lambda self, target: sys.exit(f"{self.name}: compiled again")
    import fastatari
    for order, axis in itertools.product(("gray-resize-max", "gray-max-resize", "max-resize-gray"), (0, -1)):
        fastatari.FrameStack(order=order, stack_axis=axis, grayscale_obs=not order.startswith("max"), palette="pal")
    fastatari.FrameStack(order="gray-max-resize", size=(210, 160), gray="ale", stack_num=1)
    with fastatari.AtariVectorEnv("pong", 2) as envs:
        envs.reset(seed=1)
        print(envs.step([2, 3])[0].shape, "numba" in sys.modules)
"""

PARTS = {"the console": "console", "the step": "engine", "the picture kernels": "kernels"}


def test_compiling_ahead(folder, tmp_path, capsys):
    """The real thing, for any machine: what it leaves is all that playing needs."""
    output = tmp_path / "image"
    assert main(["compile", "--cpu", "generic", "--output", str(output)]) == 0
    assert os.environ["FASTATARI_CACHE_DIR"] == str(folder.parent)
    text = capsys.readouterr().out
    for name, file in PARTS.items():
        assert re.search(f"^{name}: {output}/code/{file}-.*[.]code .compiled now.$", text, re.M)
    assert "3 of 3 compiled for any machine of this kind" in text
    assert f"set FASTATARI_CACHE_DIR={output}" in text
    assert len(names(output / "code")) == 3
    for environment in ({}, {"FASTATARI_CPU": "generic"}):  # without the variable, generic code is taken as well
        played = run(PLAY, env={**os.environ, "FASTATARI_CACHE_DIR": str(output), **environment})
        assert (played.stdout, played.stderr) == ("(2, 4, 84, 84) False\n", "")

    assert main(["compile", "--cpu", "generic", "--output", str(output)]) == 0
    assert "0 of 3 compiled for" in capsys.readouterr().out
    assert len(names(output / "code")) == 3


class Stand(types.ModuleType):
    """Stands for a module with machine code, which has tests of its own: `prepare` keeps some bytes."""

    error = None

    def prepare(self, cpu):
        if self.error:
            raise self.error
        entry = cache.load_or_build(self.__name__, f"for {cpu}", lambda: CODE)
        return types.SimpleNamespace(path=entry.path, seconds=2.0, compiled=entry.is_new)


@pytest.fixture
def stands(monkeypatch):
    """What is compiled, of quick parts; by name."""
    found = {}
    for name, file in PARTS.items():
        found[name] = Stand(f"{file}_stand")
        monkeypatch.setitem(sys.modules, f"{file}_stand", found[name])
    monkeypatch.setattr("fastatari.cli.compile._PARTS", {name: stand.__name__ for name, stand in found.items()})
    return found


@pytest.mark.parametrize(("cpu", "words"), [("host", "this machine"), ("x86-64-v3", "x86-64-v3")])
def test_compiling_says_what_it_did(stands, folder, capsys, cpu, words):
    for count in (3, 0):
        assert main(["compile", "--cpu", cpu]) == 0
        text = capsys.readouterr().out
        assert f"{count} of 3 compiled for {words} in" in text
        assert text.count("compiled now" if count else "was there") == 3
        assert f"set FASTATARI_CACHE_DIR={folder.parent}\n" in text
        assert ("set FASTATARI_CPU=x86-64-v3" in text) == (cpu != "host")
    assert len(names(folder)) == 3


def test_ctrl_c_leaves_what_was_compiled(stands, folder, capsys):
    stands["the step"].error = KeyboardInterrupt()
    assert main(["compile"]) == 130
    out, err = capsys.readouterr()
    assert out.startswith("the console: ")
    assert out.count("\n") == 1
    assert err.endswith("interrupted\n")


def test_compiling_without_the_extra(stands, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main(["compile"]) == 0
    expected = ["compiling for this machine", *(f"done: {name}" for name in PARTS)]
    assert capsys.readouterr().err.splitlines() == expected


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("error", [ValueError("`cpu` must be ..."), OSError("no"), RuntimeError("no such pass")])
def test_a_part_that_cannot_be_compiled(stands, folder, capsys, part, error):
    stands[part].error = error
    assert main(["compile", "--cpu", "generic"]) == 1
    out, err = capsys.readouterr()
    before = list(PARTS)[: list(PARTS).index(part)]  # which are on disk
    assert [line.partition(":")[0] for line in out.splitlines()] == before
    assert err.endswith(f"fastatari compile: error: {error}\n")


@pytest.mark.parametrize(
    ("output", "message"),
    [("missing/folder", "there is no folder '.*missing'"), ("file", "'.*file' is not a folder that can be written to")],
)
def test_an_output_that_cannot_be_written_to(stands, tmp_path, capsys, output, message):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as raised:
        main(["compile", "--output", str(tmp_path / output)])
    assert raised.value.code == 2
    assert re.search(f"argument --output: {message}", capsys.readouterr().err)


def test_the_cache_warns_in_the_words_of_the_command(stands, folder, second_folder, capsys):
    folder.parent.write_text("a file")
    assert main(["compile"]) == 1
    out, err = capsys.readouterr()
    assert f"the picture kernels: {second_folder}/kernels_stand-" in out
    assert err.count("fastatari compile: warning: ") == err.count("warning") == 1
    assert f"warning: compiled code cannot be kept in {folder}: " in err
    assert err.endswith(f"fastatari compile: error: compiled code could not be written to '{folder.parent}'\n")


@pytest.mark.parametrize(
    ("path", "message"),
    [(None, "could not be written to any folder"), ("/elsewhere/a.code", "could not be written to '/chosen'")],
)
def test_code_that_is_not_where_it_should_be_is_an_error(folder, capsys, monkeypatch, path, message):
    monkeypatch.setenv("FASTATARI_CACHE_DIR", "/chosen")
    parts = [("the console", path, True)]
    monkeypatch.setattr(
        "fastatari.cli.compile._compile", lambda _: [sys.modules["fastatari.cli.compile"].Part(*part) for part in parts]
    )
    assert main(["compile"]) == 1
    out, err = capsys.readouterr()
    assert f"the console: {path or 'not kept'} (compiled now)" in out
    assert message in err
