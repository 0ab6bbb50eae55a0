import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import find_argument_error
from PIL import Image

import fastatari
from fastatari import FrameStack
from fastatari.cli import demo
from fastatari.cli.failures import CommandError
from fastatari.cli.files import write_file
from fastatari.cli.main import main
from fastatari.cli.reference import ReferenceWorker

# -P here and elsewhere: programs that tests start import the installed package, as the tests do, and not this folder.
RUN = [sys.executable, "-P", "-m", "fastatari.cli.main", "demo"]
# Without what makes rich take a pipe for a terminal.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "TTY_COMPATIBLE")}


@pytest.fixture(scope="module", autouse=True)
def _kernels_are_compiled():
    """So that no process says that it compiles them."""
    FrameStack()


@pytest.mark.parametrize(
    ("game", "size"), [("breakout", (2200, 596)), ("ALE/MrDo-v5", (2536, 680))], ids=["ntsc", "pal"]
)
def test_a_redirected_demo_prints_plain_lines_and_draws(tmp_path, game, size):
    output = tmp_path / ("[a]" + "long" * 40 + ".png")
    done = subprocess.run(
        [*RUN, "--game", game, "--workers", "2", "--steps", "40", "--output", output],
        env=ENVIRONMENT | {"COLUMNS": "20", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "82 observations with cv2's: 0 pixels differ" in done.stdout
    assert "80 rewards, dones and infos: 0 differ" in done.stdout
    assert "steps per second" in done.stdout
    assert str(output) in done.stdout
    assert all(character.isprintable() or character == "\n" for character in done.stdout)
    with Image.open(output) as image:
        assert (image.format, image.size) == ("PNG", size)


def test_a_difference_is_counted_and_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "ReferenceWorker", lambda seed, _: ReferenceWorker(seed, "pong"))
    assert main(["demo", "--workers", "1", "--steps", "150", "--output", str(tmp_path / "a.png")]) == 1
    output = capsys.readouterr().out
    assert "pixels differ" in output
    assert ": 0 pixels differ" not in output
    assert "infos: 0 differ" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--game", "brekout"], "the closest is 'breakout'"),
        (["--game", "combat"], "it has no mode for one player"),
        (["--workers", "0"], "argument --workers: must be a positive integer, got '0'"),
        (["--steps", "many"], "argument --steps: must be a positive integer, got 'many'"),
        (["--seed", "-1"], "argument --seed: must be a non-negative integer, got '-1'"),
        (["--output", "no/such/a.png"], "argument --output: there is no folder 'no/such'"),
        (["--output", "."], "argument --output: '.' cannot be written"),
        (["--output", "a.txt"], "argument --output: the name must end with .png, .jpg, .jpeg, .webp, got 'a.txt'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments_are_named(capsys, arguments, message):
    assert find_argument_error(capsys, "demo", arguments).endswith(message)


QUICK = ["demo", "--workers", "1", "--steps", "4", "--output"]


@pytest.mark.parametrize(
    ("name", "picture_format"),
    [("a.jpg", "JPEG"), ("a.JPEG", "JPEG"), ("a.webp", "WEBP"), ("a.png", "PNG"), ("a", "PNG")],
)
def test_the_picture_has_the_format_of_its_name(tmp_path, name, picture_format):
    assert main([*QUICK, str(tmp_path / name)]) == 0
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (picture_format, (2200, 596))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_picture_that_cannot_be_written_is_told_after_the_results(capsys):
    assert main([*QUICK, "/dev/full"]) == 1
    out, err = capsys.readouterr()
    assert err == "fastatari demo: error: cannot write '/dev/full': No space left on device\n"
    assert "4 rewards, dones and infos: 0 differ" in out
    assert "steps per second" in out


def test_a_folder_that_vanishes_meanwhile(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    play = demo.Player.play

    def play_and_remove(*arguments):
        if folder.exists():
            folder.rmdir()
        return play(*arguments)

    monkeypatch.setattr(demo.Player, "play", play_and_remove)
    assert main([*QUICK, str(folder / "a.png")]) == 1
    out, err = capsys.readouterr()
    assert err == f"fastatari demo: error: cannot write '{folder / 'a.png'}': No such file or directory\n"
    assert "steps per second" in out


def test_a_worker_that_dies_is_told_after_the_rounds_before(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "_ROUND_OBSERVATIONS", 10)
    play = demo.Player.play

    def play_or_die(player, *arguments):
        if len(player.rates) == 2:
            os.kill(player._workers[0].process.pid, signal.SIGKILL)
            player._workers[0].process.join()
        return play(player, *arguments)

    monkeypatch.setattr(demo.Player, "play", play_or_die)
    assert main(["demo", "--workers", "1", "--steps", "40", "--output", str(tmp_path / "a.png")]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("fastatari demo: error: a round could not be played: WorkerDiedError: ")
    assert err.count("\n") == 1
    assert "medians over rounds (2)" in out
    assert "20 rewards, dones and infos: 0 differ" in out
    assert not list(tmp_path.iterdir())


def test_standard_output_that_cannot_be_written_is_told_in_one_line(tmp_path):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*RUN, *QUICK[1:], tmp_path / "a.png"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "fastatari demo: error: [Errno 28] No space left on device\n")


# Files.


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("before")
    path.chmod(0o640)
    link.symlink_to(path)

    def fail(temporary):
        temporary.write_text("half of")
        assert path.read_text() == "before"
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(CommandError, match=r"^cannot write '.*link.txt': Input/output error$"):
        write_file(link, fail)
    assert path.read_text() == "before"
    assert {each.name for each in tmp_path.iterdir()} == {"a.txt", "link.txt"}
    write_file(link, lambda temporary: temporary.write_text("after"))
    assert (path.read_text(), path.stat().st_mode & 0o777, link.is_symlink()) == ("after", 0o640, True)
    assert {each.name for each in tmp_path.iterdir()} == {"a.txt", "link.txt"}


def test_a_new_file_has_the_rights_of_others(tmp_path):
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "a.txt", lambda temporary: temporary.write_text("new"))
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


def test_a_pipe_is_written_to_in_place(tmp_path):
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as process:
        write_file(pipe, lambda temporary: temporary.write_text("through"))
        assert process.communicate(timeout=10)[0] == "through"
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.txt"]


def test_the_package_itself_is_the_command():
    command = [sys.executable, "-P", "-m", "fastatari"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"fastatari {fastatari.__version__}\n"
    done = subprocess.run([*command, "play"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "invalid choice: 'play'" in done.stderr


def test_the_command_itself_needs_no_extra():
    program = "import sys, fastatari.cli.main; sys.exit(any(name in sys.modules for name in ('PIL', 'cv2', 'rich')))"
    subprocess.run([sys.executable, "-P", "-c", program], check=True)


@pytest.mark.parametrize("missing", ["PIL", "cv2", "rich"])
def test_a_missing_package_names_the_extra(missing):
    program = (
        f"import sys; sys.modules[{missing!r}] = None; from fastatari.cli.main import main; sys.exit(main(['demo']))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert missing in done.stderr
    assert 'pip install "fastatari[demo]"' in done.stderr


def test_ctrl_c_ends_all_processes_and_leaves_what_was_found(tmp_path):
    program = (
        # A shell's background jobs ignore the signal, and so would this one.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fastatari.cli import demo; from fastatari.cli.main import main\n"
        "compare = demo.Found.compare_results\n"
        "def compare_and_tell(found, *players):\n"
        "    compare(found, *players)\n"
        "    if len(found.rates) == 2:\n"
        "        print('ready', flush=True)\n"
        "demo.Found.compare_results = compare_and_tell\n"
        "sys.exit(main())"
    )
    arguments = ["demo", "--workers", "2", "--steps", "100000", "--output", tmp_path / "a.png"]
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        for line in process.stdout:
            if line == "ready\n":
                break
        assert len(_living(process.pid)) == 5
        os.killpg(process.pid, signal.SIGINT)
        output, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (130, "interrupted\n")
    assert "steps per second" in output
    assert ": 0 pixels differ" in output
    assert not _living(process.pid)
    assert not list(tmp_path.iterdir())


def _living(session):
    """Return the ids of the session's processes, without those that have ended and wait for their parent."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, stat_session, *_ = stat.read_text().rpartition(")")[2].split()
            if int(stat_session) == session and state != "Z":
                pids.append(stat.parent.name)
    return pids
