"""Files that commands write: each is there as a whole, or as it was before."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from fastatari.cli.failures import CommandError


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name in its folder, and then move it to its own.

    What cannot be replaced is written to in place, when all is known that goes into it: a device, a pipe, and a file in
    a folder that takes no new ones.

    Args:
        path (Path): the file; a link is followed.
        write (Callable[[Path], object]): writes the file of the name that it is given, which ends as `path` does.

    Raises:
        CommandError: it cannot be written.
    """
    target = path.resolve()
    # A pipe, as of ``>(...)`` in a shell, is there by its name alone, and not where its link leads to.
    is_in_place = path.exists() and not (target.is_file() and os.access(target.parent, os.W_OK))
    folder = Path(tempfile.gettempdir()) if is_in_place else target.parent
    temporary = folder / f".fastatari-{secrets.token_hex(8)}{path.suffix}"
    try:
        write(temporary)
        if is_in_place:
            with temporary.open("rb") as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            return
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except OSError as error:
        raise CommandError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
