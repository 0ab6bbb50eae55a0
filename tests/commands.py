"""What the tests of commands have in common."""

import pytest

from fastatari.cli.main import main


def find_argument_error(capsys, command, arguments):
    """The line that says what is wrong with a command's arguments, which it has to refuse."""
    with pytest.raises(SystemExit) as end:
        main([command, *arguments])
    assert end.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"fastatari {command}: error: ")
    return error
