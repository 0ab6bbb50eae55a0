import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import fastatari
from fastatari import FrameStack
from fastatari.cli import demo
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
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments_are_named(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        main(["demo", *arguments])
    assert end.value.code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("fastatari demo: error: ")
    assert error.endswith(message)


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


def test_ctrl_c_ends_all_processes_quietly(tmp_path):
    program = (
        # A shell's background jobs ignore the signal, and so would this one.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from fastatari.cli.main import main; sys.exit(main())"
    )
    with subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-c",
            program,
            "demo",
            "--workers",
            "2",
            "--steps",
            "100000",
            "--output",
            tmp_path / "a.png",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        process.stdout.readline()
        deadline = time.monotonic() + 30
        while len(_living(process.pid)) < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.5)  # in the middle of playing
        os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (130, "interrupted\n")
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
