"""Compiled code on disk: where it lies, when it is trusted, and how it is written.

Nothing that a disk or another process does is an error here: a file that is missing, cut, damaged, of another key or of
another user is a miss, and what cannot be written stays in memory. A process warns at most once, after all is done.

A file's name is ``<name>-<digest of the key>.code``; its content is a line that says what it is, the digest of key and
code, and the code. It is written under another name and renamed, so that no half file is ever seen. As what is loaded
is run, files and their folder must belong to the user or to root and be writable by nobody else.
"""

import contextlib
import hashlib
import os
import secrets
import stat
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import llvmlite
from llvmlite import binding as llvm

from fastatari.compiler.notice import announce

if sys.platform != "win32":
    import fcntl

_MAGIC = b"fastatari, compiled code, 1\n"
_DIGEST_SIZE = hashlib.sha256().digest_size
_NAME_DIGITS = 32  # of a key's digest, in a file's name
_SUFFIX = ".code"
_MAX_SIZE = 2**28  # bytes; nobody wrote a larger file here
_MAX_FILES = 8  # of a name, for other versions and other CPUs
_MAX_WAIT = 10.0  # seconds for another process that compiles the same
_LEFTOVER_AGE = 3600.0  # seconds after which a temporary file is one that nobody renames any more


class Entry(NamedTuple):
    """What `load_or_build` found or made.

    Attributes:
        code (bytes): the compiled code.
        path (Path, optional): the file that holds it; None if it could not be written anywhere.
        is_new (bool): whether it was built now.
    """

    code: bytes
    path: Path | None
    is_new: bool


class _Refused(Exception):
    """What a file or folder is, if it must not be used."""


class _Complaint:
    """The one warning of a process."""

    def __init__(self) -> None:
        self._text = ""
        self._is_given = False

    def note(self, text: str) -> None:
        """Keep the first text that is worth a warning."""
        self._text = self._text or text

    def give(self) -> None:
        """Warn of what was noted, if there was no warning yet."""
        text, self._text = self._text, ""
        if text and not self._is_given:
            self._is_given = True
            warnings.warn(text, RuntimeWarning, stacklevel=3)


_COMPLAINT = _Complaint()


def make_key(target: str, *sources: str | os.PathLike[str] | ModuleType) -> str:
    """Return a key of compiled code: all that decides about it.

    Args:
        target (str): what it is compiled for: triple, name and features of the CPU, level of optimisation.
        sources: the files from which it is made, or packages and folders, which stand for all ``*.py`` below them.

    Returns:
        str: a readable text, with the versions of Python, llvmlite and LLVM.

    Raises:
        FileNotFoundError: a source is not there.
    """
    parts = [
        f"{sys.implementation.cache_tag}, llvmlite {llvmlite.__version__}",
        f"LLVM {'.'.join(map(str, llvm.llvm_version_info))}",
        target,
        f"sources {_hash_sources(sources)}",
    ]
    return "; ".join(parts)


def load_or_build(name: str, key: str, build: Callable[[], bytes], alternatives: Sequence[str] = ()) -> Entry:
    """Return compiled code from disk, or build it and keep it there.

    Processes that begin at once wait some seconds for the one that builds, which says on stderr that it does.

    Args:
        name (str): what the code is: letters, digits, dots and underscores; its file's name begins with it.
        key (str): all that decides about the code, see `make_key`.
        build (Callable[[], bytes]): compiles it. Its exceptions go through.
        alternatives (sequence of str): keys of code that does as well, to be taken from disk if there is none of `key`:
            such as that for any CPU, which was compiled elsewhere.

    Returns:
        Entry: the code, and where it is.

    Warns:
        RuntimeWarning: a file is damaged or not safe, or none can be written; once in a process.
    """
    keys = (key, *alternatives)
    entry = load(name, keys)
    if entry is None:
        with _turn(name):
            entry = load(name, keys)
            if entry is None:
                announce()
                code = build()
                entry = Entry(code, save(name, key, code), is_new=True)
    return entry


def load(name: str, keys: Sequence[str]) -> Entry | None:
    """Return the compiled code of the first of some keys that is on disk, or None.

    A damaged file is only noted: `save`, which is to follow when the code was compiled again, warns of it.
    """
    usable = [folder for folder in folders() if _is_usable(folder)]
    for key in keys:
        for folder in usable:
            path = folder / _file_name(name, key)
            try:
                return Entry(_read(path, key), path, is_new=False)
            except FileNotFoundError:
                pass
            except (OSError, _Refused) as error:
                _COMPLAINT.note(f"compiled code in {folder} is not used, but made anew: {error}")
    return None


def save(name: str, key: str, code: bytes) -> Path | None:
    """Keep compiled code in the first folder that can be written to.

    Args:
        name (str): as for `load_or_build`.
        key (str): the same.
        code (bytes): the same.

    Returns:
        Path | None: its file, or None if it could not be written anywhere.

    Warns:
        RuntimeWarning: of that, of an unsuitable ``FASTATARI_CACHE_DIR``, or of what `load` noted; once in a process.
    """
    problem, is_unsafe, path = "", False, None
    for folder in folders():
        try:
            _make_folder(folder)
            _write(folder / _file_name(name, key), _MAGIC + _digest(key, code) + code)
            path = folder / _file_name(name, key)
            break
        except (OSError, _Refused) as error:
            problem = problem or f"compiled code cannot be kept in {folder}: {error}"
            is_unsafe = is_unsafe or isinstance(error, _Refused)
    if path is not None:
        _tidy(path, name)
    # A home that cannot be written to is nothing to tell as long as there is another place.
    if problem and (path is None or is_unsafe or os.environ.get("FASTATARI_CACHE_DIR")):
        _COMPLAINT.note(problem + (f"; it is kept in {path.parent}" if path else "; every process compiles it"))
    _COMPLAINT.give()
    return path


def bring(path: Path) -> Path:
    """Copy a file to the first folder, if it lies in another one.

    Args:
        path (Path): a file that was loaded or saved.

    Returns:
        Path: where it is now; `path` itself if the first folder cannot be written to.
    """
    folder = folders()[0]
    if path.parent == folder:
        return path
    try:
        _make_folder(folder)
        _write(folder / path.name, path.read_bytes())
    except (OSError, _Refused):
        return path
    return folder / path.name


def folders() -> list[Path]:
    """Return the folders for compiled code, to be tried in this order; none of them need exist.

    Returns:
        list[Path]: one in ``FASTATARI_CACHE_DIR`` if that is set, otherwise in the user's folder for caches; then one
            in the folder for temporary files.
    """
    found = []
    chosen = os.environ.get("FASTATARI_CACHE_DIR")
    with contextlib.suppress(RuntimeError, OSError):  # a user without a home; a current folder that is gone
        # A folder of ours in it: the one that was chosen can be open to others, by a umask or a file system's doing.
        found.append((Path(chosen).expanduser().absolute() if chosen else _user_folder()) / "code")
    with contextlib.suppress(OSError):  # no folder for temporary files at all
        found.append(Path(tempfile.gettempdir()).absolute() / f"fastatari-{_user()}")
    return found


def _user() -> int:
    user = 0
    if sys.platform != "win32":
        user = os.geteuid()
    return user


def _user_folder() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        folder = (Path(local) if local else Path.home() / "AppData" / "Local") / "fastatari" / "Cache"
    elif sys.platform == "darwin":
        folder = Path.home() / "Library" / "Caches" / "fastatari"
    else:
        chosen = Path(os.environ.get("XDG_CACHE_HOME") or "")
        folder = (chosen if chosen.is_absolute() else Path.home() / ".cache") / "fastatari"
    return folder


def _hash_sources(sources: Sequence[str | os.PathLike[str] | ModuleType]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        path = Path((source.__file__ or "") if isinstance(source, ModuleType) else source)
        root = path.parent if path.name == "__init__.py" else path
        files = sorted(root.rglob("*.py")) if root.is_dir() else [root]
        if not files:
            raise FileNotFoundError(f"there are no Python sources in {str(root)!r}")
        for file in files:
            content = file.read_bytes()
            digest.update(f"{file.relative_to(root.parent).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _file_name(name: str, key: str) -> str:
    return f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:_NAME_DIGITS]}{_SUFFIX}"


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(key.encode()).digest() + code).digest()


def _check_owner(what: str, status: os.stat_result) -> None:
    """Refuse what others than the user and root could have written."""
    if sys.platform != "win32":  # where the folders are the user's own, and modes say nothing
        if status.st_uid not in {0, _user()}:
            raise _Refused(f"{what} belongs to another user ({status.st_uid})")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise _Refused(f"{what} can be written to by other users (mode {stat.S_IMODE(status.st_mode):o})")


def _check_folder(folder: Path) -> None:
    status = os.lstat(folder)  # not through a link, which in a folder for all may be anybody's
    if not stat.S_ISDIR(status.st_mode):
        raise _Refused(f"{folder} is not a folder")
    _check_owner(str(folder), status)


def _is_usable(folder: Path) -> bool:
    try:
        _check_folder(folder)
    except (OSError, _Refused):  # of which `save` tells, if it matters
        return False
    return True


def _make_folder(folder: Path) -> None:
    # What root compiles for an image is to be read by other users; what is in the folder for temporary files is not.
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o755 if folder.name == "code" else 0o700)
    _check_folder(folder)


def _read(path: Path, key: str) -> bytes:
    """Return the code in a file, if it is whole, of this key, and nobody else can have written it."""
    # Not waiting: it could be a pipe.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _Refused(f"{path.name} is not a file")
        _check_owner(path.name, status)
        if status.st_size > _MAX_SIZE:
            raise _Refused(f"{path.name} is damaged: it has {status.st_size:,} bytes")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(_MAX_SIZE + 1)
    finally:
        os.close(descriptor)
    start = len(_MAGIC) + _DIGEST_SIZE
    code = content[start:]
    if content[:start] != _MAGIC + _digest(key, code):
        raise _Refused(f"{path.name} is damaged, cut or not what its name says")
    return code


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{secrets.token_hex(16)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        try:
            os.replace(temporary, path)
        except IsADirectoryError:
            path.rmdir()  # if it is empty
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _tidy(path: Path, name: str) -> None:
    """Remove the oldest files of a name, and what killed processes left; others may be doing the same."""
    with contextlib.suppress(OSError):
        now = path.stat().st_mtime  # by the file system's clock
        ages = []
        for file in path.parent.iterdir():
            with contextlib.suppress(OSError):
                age = now - file.stat().st_mtime
                if file.suffix == ".tmp" and age > _LEFTOVER_AGE:
                    file.unlink()
                elif file.suffix == _SUFFIX and file.stem[: -_NAME_DIGITS - 1] == name and file != path:
                    ages.append((age, file))
        for _, file in sorted(ages)[_MAX_FILES - 1 :]:
            with contextlib.suppress(OSError):
                file.unlink()


@contextlib.contextmanager
def _turn(name: str) -> Iterator[None]:
    """Wait until no other process is in here for the same name, but not for long, and not where files have no locks."""
    descriptor = None
    if sys.platform != "win32":
        descriptor = _take_lock(name)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)  # which ends the lock; so does the process's death


if sys.platform != "win32":

    def _take_lock(name: str) -> int | None:
        """Return an open file with a lock, or without one if that was not to be had."""
        for folder in folders():
            with contextlib.suppress(OSError, _Refused):
                _make_folder(folder)
                descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o644)
                deadline = time.monotonic() + _MAX_WAIT
                with contextlib.suppress(OSError):
                    while not _lock(descriptor) and time.monotonic() < deadline:
                        time.sleep(0.05)
                return descriptor
        return None

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
