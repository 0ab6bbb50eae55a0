import contextlib
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import find_argument_error
from PIL import Image, ImageSequence

from fastatari import AtariEnv
from fastatari.cli import view_film, view_picture
from fastatari.cli.files import write_file
from fastatari.cli.main import main
from fastatari.cli.view_play import Moment

RUN = [sys.executable, "-P", "-c"]
# A shell's background jobs ignore the signal, and so would this program.
MAIN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from fastatari.cli.main import main; sys.exit(main())"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, where modules of policies are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if name.startswith("policy_"):
            del sys.modules[name]


def play_by_hand(game, preset, choose_action, steps, seed):
    """The screens, planes and rewards of all resets and steps, each a row."""
    rows = []
    with contextlib.closing(AtariEnv(game, preset=preset, render_mode="rgb_array")) as env:

        def add(observation, reward=0.0):
            planes = np.moveaxis(observation, -1, 0) if env.rules.stack_axis == -1 else observation
            rows.append((env.render(), planes.copy(), reward))

        observation, info = env.reset(seed=seed)
        add(observation)
        for step in range(steps):
            observation, reward, terminated, truncated, info = env.step(choose_action(observation, info))
            add(observation, reward)
            if (terminated or truncated) and step < steps - 1:
                observation, info = env.reset()
                add(observation)
    return rows


def choose_randomly(game, seed):
    rng = np.random.default_rng(seed)
    with contextlib.closing(AtariEnv(game)) as env:
        number = len(env.get_action_meanings())
    return lambda observation, info: int(rng.integers(number))


def cut(picture, box, shape):
    """The pixels that a part of a picture shows; all squares are of one colour."""
    left, top, scale = box
    part = picture[top : top + scale * shape[0], left : left + scale * shape[1]]
    pixels = part[::scale, ::scale]
    assert (part == pixels.repeat(scale, 0).repeat(scale, 1)).all()
    return pixels


def assert_shown(picture, layout, screen, planes, offset=(0, 0)):
    boxes = [
        box._replace(left=box.left + offset[0], top=box.top + offset[1]) for box in (layout.screen, *layout.planes)
    ]
    assert (cut(picture, boxes[0], screen.shape[:2]) == screen).all()
    for box, plane in zip(boxes[1:], planes, strict=True):
        assert (cut(picture, box, plane.shape) == plane[..., None]).all()


def read_gif(path):
    with Image.open(path) as image:
        assert image.format == "GIF"
        return [(np.asarray(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize(
    ("game", "preset", "steps"),
    [("breakout", "sb3", 70), ("ALE/MrDo-v5", "gymnasium", 10), ("pong", "ale", 10)],
    ids=["episodes, planes last", "pal", "vector"],
)
def test_films_and_sheets_show_what_the_environment_gives(tmp_path, capsys, game, preset, steps):
    gif, png = tmp_path / "a.GIF", tmp_path / "[b].png"
    arguments = ["--preset", preset, "--steps", str(steps), "--seed", "3", "--out", str(gif), "--out", str(png)]
    assert main(["view", game, *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"steps     {steps}" in out
    assert str(gif) in out
    assert str(png) in out
    rows = play_by_hand(game, preset, choose_randomly(game, 3), steps, 3)
    assert len(rows) > steps + 1 or preset != "sb3"  # there were resets

    screen, planes, _ = rows[0]
    layout = view_picture.Layout(screen.shape[:2], planes.shape, "heading")
    frames = read_gif(gif)
    assert len(frames) == len(rows)
    for (picture, _), (screen, planes, _) in zip(frames, rows, strict=True):
        assert picture.shape[1::-1] == layout.size
        assert_shown(picture, layout, screen, planes)
    assert sum(time for _, time in frames) == pytest.approx(1000 * len(rows) / 15, abs=5)  # a step is 4 frames of 60

    tile = view_picture.Layout(screen.shape[:2], planes.shape)
    gap, count = 12, min(12, len(rows))
    with Image.open(png) as image:
        assert image.format == "PNG"
        sheet = np.asarray(image)
    assert sheet.shape[1] == 3 * (tile.size[0] + gap) + gap
    top = sheet.shape[0] - math.ceil(count / 3) * (tile.size[1] + gap)
    for number, row in enumerate(np.linspace(0, len(rows) - 1, count).round().astype(int)):
        place = gap + number % 3 * (tile.size[0] + gap), top + number // 3 * (tile.size[1] + gap)
        assert_shown(sheet, tile, *rows[row][:2], place)


def test_the_text_of_a_picture_follows_the_step(tmp_path):
    """Only the values above the screen differ, where the screens and planes do not."""
    with contextlib.closing(AtariEnv("breakout", render_mode="rgb_array")) as env:
        observation, _ = env.reset(seed=0)
        moment = Moment(1, "FIRE", 0.0, 0.0, 5, 1, "", env.render(), observation)
    layout = view_picture.make_layout(moment, "heading")
    first = np.asarray(layout.draw(moment)).astype(int)
    others = [{"step": 2}, {"action": "LEFT"}, {"reward": 1.0}, {"episode_return": 1.0}, {"lives": 4}, {"episode": 2}]
    lefts = []
    for fields in [*others, {"end": "terminated"}]:
        rows, columns = np.nonzero(np.abs(np.asarray(layout.draw(moment._replace(**fields))) - first).sum(-1))
        assert rows.max() < layout.screen.top - 20
        lefts.append(columns.min())
    assert lefts == sorted(lefts)  # a column each
    assert len(set(lefts)) == len(lefts)


def test_mp4_has_a_picture_for_each_step(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    mp4, gif = tmp_path / "a.mp4", tmp_path / "a.gif"
    assert main(["view", "pong", "--steps", "20", "--out", str(mp4), "--out", str(gif)]) == 0
    frames = read_gif(gif)
    height, width, _ = frames[0][0].shape
    command = [ffmpeg.get_ffmpeg_exe(), "-i", mp4, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert b" 15 fps," in done.stderr
    assert f" {width}x{height}".encode() in done.stderr
    pictures = np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)
    assert len(pictures) == 21
    for picture, (exact, _) in zip(pictures, frames, strict=True):
        assert np.abs(picture.astype(int) - exact).mean() < 3


def test_gif_keeps_colors_where_there_are_few_enough(tmp_path, rng):
    few = rng.integers(0, 255, (20, 20, 1), np.uint8).repeat(3, 2)
    many = rng.integers(0, 256, (20, 20, 3), np.uint8)
    changed = few.copy()
    changed[3, 4] = 7, 8, 9
    pictures = [few, changed, many, few]
    view_film.write_gif(tmp_path / "a.gif", [Image.fromarray(picture) for picture in pictures], 15)
    frames = read_gif(tmp_path / "a.gif")
    for number in (0, 1, 3):
        assert (frames[number][0] == pictures[number]).all(), number
    assert np.abs(frames[2][0].astype(int) - many).mean() < 30


@pytest.mark.parametrize(("rate", "mean"), [(15, 66.7), (60, 20), (30, 33.3), (4, 250), (100, 20)])
def test_times_of_a_gif_are_those_of_the_rate(rate, mean):
    times = view_film.list_times(300, rate)
    assert all(time % 10 == 0 and time >= 20 for time in times)
    assert sum(times) / 300 == pytest.approx(mean, abs=0.1)


# Policies.

GOOD = """
calls = []

def act(observation, info):
    calls.append((observation.shape, int(info["lives"])))
    observation[:] = 255  # what it does to its copy is not shown
    return len(calls) % 4

class Agent:
    def act(self, observation, info):
        import numpy
        return numpy.array(len(calls) % 2)

agent = Agent()
number = 5
"""


def test_a_function_plays(folder, capsys):
    (folder / "policy_good.py").write_text(GOOD)
    gif = folder / "a.gif"
    assert main(["view", "breakout", "--policy", "policy_good:act", "--steps", "12", "--out", str(gif)]) == 0
    assert "policy policy_good:act" in capsys.readouterr().out
    assert sys.modules["policy_good"].calls == [((4, 84, 84), 5)] * 12
    counter = iter(range(1, 13))
    rows = play_by_hand("breakout", "gymnasium", lambda *_: next(counter) % 4, 12, 0)
    layout = view_picture.Layout((210, 160), (4, 84, 84), "heading")
    for (picture, _), (screen, planes, _) in zip(read_gif(gif), rows, strict=True):
        assert_shown(picture, layout, screen, planes)


def test_a_method_plays_and_numpys_integers_are_actions(folder):
    (folder / "policy_good.py").write_text(GOOD)
    assert main(["view", "breakout", "--policy", "policy_good:agent.act", "--steps", "3", "--out", "a.png"]) == 0
    with Image.open("a.png") as image:
        assert image.width == 3 * (view_picture.Layout((210, 160), (4, 84, 84)).size[0] + 12) + 12


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "return 0 // (len(calls) != 4)",
            "the policy failed in step 4: ZeroDivisionError: integer division or modulo by zero",
        ),
        ("return 99 if len(calls) == 4 else 0", "the policy returned no action in step 4: action 99 is not in 0..3"),
        ("return -1 if len(calls) == 4 else 0", "the policy returned no action in step 4: action -1 is not in 0..3"),
        ("return 'FIRE' if len(calls) == 4 else 0", "the policy returned no action in step 4: "),
        ("return None if len(calls) == 4 else 0", "the policy returned no action in step 4: "),
        ("return 1.0 if len(calls) == 4 else 0", "the policy returned no action in step 4: "),
        ("return [1] if len(calls) == 4 else 0", "the policy returned no action in step 4: "),
    ],
)
def test_a_broken_policy_is_told_after_what_it_played(folder, capsys, body, message):
    (folder / "policy_broken.py").write_text(
        f"calls = []\ndef act(observation, info):\n    calls.append(1)\n    {body}\n"
    )
    assert main(["view", "breakout", "--policy", "policy_broken:act", "--out", "a.gif"]) == 1
    out, err = capsys.readouterr()
    assert err.startswith(f"fastatari view: error: {message}")
    assert err.count("\n") == 1
    assert "steps     3" in out
    assert "a.gif" in out
    assert len(read_gif("a.gif")) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("greedy", "--policy must be random or module:function, got 'greedy'"),
        (":act", "--policy must be random or module:function, got ':act'"),
        ("policy_missing:act", "--policy: there is no module 'policy_missing' in "),
        ("policy_good:walk", "--policy: the module 'policy_good' has no 'walk'"),
        ("policy_good:number", "--policy: 'policy_good:number' must be a function, got 5"),
        ("policy_syntax:act", "--policy: 'policy_syntax' cannot be imported: SyntaxError: "),
        ("policy_raises:act", "--policy: 'policy_raises' cannot be imported: RuntimeError: no weights"),
        ("policy_needs:act", "--policy: 'policy_needs' needs 'no_such_package', which is not installed"),
    ],
)
def test_a_policy_that_is_none_is_an_error_before_anything_is_played(folder, capsys, name, message):
    (folder / "policy_good.py").write_text(GOOD)
    (folder / "policy_syntax.py").write_text("def act(:")
    (folder / "policy_raises.py").write_text("raise RuntimeError('no weights\\nat all')")
    (folder / "policy_needs.py").write_text("import no_such_package.inner")
    assert main(["view", "pong", "--policy", name, "--out", "a.gif"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fastatari view: error: {message}")
    assert err.count("\n") == 1
    assert not (folder / "a.gif").exists()


def test_actions_come_from_a_file(folder, capsys):
    (folder / "actions.txt").write_text("# serve\nFIRE\n\n2\n right \n3\nNOOP\n0\n")
    assert main(["view", "breakout", "--actions", "actions.txt", "--seed", "1", "--out", "a.gif"]) == 0
    assert "breakout, actions of actions.txt, preset gymnasium" in capsys.readouterr().out
    actions = iter([1, 2, 2, 3, 0, 0])
    rows = play_by_hand("breakout", "gymnasium", lambda *_: next(actions), 6, 1)
    layout = view_picture.Layout((210, 160), (4, 84, 84), "heading")
    for (picture, _), (screen, planes, _) in zip(read_gif("a.gif"), rows, strict=True):
        assert_shown(picture, layout, screen, planes)


def test_fewer_steps_than_actions(folder):
    (folder / "actions.txt").write_text("0\n" * 9)
    assert main(["view", "pong", "--actions", "actions.txt", "--steps", "4", "--out", "a.gif"]) == 0
    assert len(read_gif("a.gif")) == 5


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            b"0\nJUMP\n",
            (),
            "actions.txt, line 2: 'JUMP' is no action of breakout, which has 0..3: NOOP, FIRE, RIGHT, LEFT",
        ),
        (b"0\n\n4\n", (), "actions.txt, line 3: '4' is no action of breakout, "),
        (b"-1\n", (), "actions.txt, line 1: '-1' is no action of breakout, "),
        (b"1 2\n", (), "actions.txt, line 1: '1 2' is no action of breakout, "),
        ("\u0661\n".encode(), (), "actions.txt, line 1: "),
        (b"# nothing\n\n", (), "actions.txt has no actions"),
        (b"\xff\xfe\x00", (), "cannot read 'actions.txt': it is no text"),
        (None, (), "cannot read 'actions.txt': No such file or directory"),
        (b"0\n1\n", ("--steps", "3"), "--steps 3 is more than the 2 actions of actions.txt"),
    ],
)
def test_a_bad_line_of_actions_is_named(folder, capsys, content, options, message):
    if content is not None:
        (folder / "actions.txt").write_bytes(content)
    assert main(["view", "breakout", "--actions", "actions.txt", "--out", "a.gif", *options]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fastatari view: error: {message}")
    assert not (folder / "a.gif").exists()


# Arguments, files and interrupts.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["brekout"], "the closest is 'breakout'"),
        (["pong", "--out", "a.jpg"], "argument --out: the name must end with .gif, .mp4, .png, got 'a.jpg'"),
        (["pong", "--out", "a"], "argument --out: the name must end with .gif, .mp4, .png, got 'a'"),
        (["pong", "--out", "no/such/a.gif"], "argument --out: there is no folder 'no/such'"),
        (["pong", "--preset", "sb4"], "`preset` must be one of "),
        (["pong", "--preset", "sb3@9"], "`preset` must be a version of 'sb3' that there is"),
        (["pong", "--steps", "0"], "argument --steps: must be a positive integer, got '0'"),
        (["pong", "--seed", "-1"], "argument --seed: must be a non-negative integer, got '-1'"),
        (["pong", "--policy", "a:b", "--actions", "c"], "argument --actions: not allowed with argument --policy"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments_are_named(capsys, arguments, message):
    assert message in find_argument_error(capsys, "view", arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "ale", "--seed", str(2**31)], "`seed` must be below 2**31 with `seeding` 'ale', got 2147483648"),
        (["--steps", str(10**12)], "not enough memory for the pictures of 1,000,000,000,000 steps: "),
    ],
)
def test_what_cannot_be_played_is_an_error_before(folder, capsys, arguments, message):
    assert main(["view", "pong", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fastatari view: error: {message}")
    assert err.count("\n") == 1
    assert not list(folder.iterdir())


def test_without_out_there_is_a_film(folder):
    assert main(["view", "pong", "--steps", "2"]) == 0
    assert [path.name for path in folder.iterdir()] == ["fastatari-view.gif"]


@pytest.mark.parametrize("ending", [".gif", ".mp4", ".png"])
def test_a_file_that_cannot_be_written_is_told_after_all_else(folder, capsys, ending):
    if ending == ".mp4":
        pytest.importorskip("imageio_ffmpeg")
    full = folder / f"full{ending}"
    full.symlink_to("/dev/full")
    arguments = ["--steps", "3", "--out", str(full), "--out", "a.png"]
    assert main(["view", "pong", *arguments]) == 1
    out, err = capsys.readouterr()
    assert err == f"fastatari view: error: cannot write '{full}': No space left on device\n"
    assert "steps     3" in out
    assert {path.name for path in folder.iterdir()} == {full.name, "a.png"}
    assert full.is_symlink()


def test_ctrl_c_leaves_what_was_played(folder):
    (folder / "policy_slow.py").write_text(
        "import sys, time\nsteps = []\n"
        "def act(observation, info):\n"
        "    steps.append(0)\n"
        "    if len(steps) == 6:\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "    return 0\n"
    )
    command = [*RUN, MAIN, "view", "pong", "--policy", "policy_slow:act", "--out", "a.gif"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        for line in process.stdout:
            if line == "ready\n":
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert "steps     5" in out
    assert len(read_gif(folder / "a.gif")) == 6


@pytest.mark.parametrize("missing", ["PIL", "rich"])
def test_a_missing_package_names_the_extra(missing):
    program = f"import sys; sys.modules[{missing!r}] = None; {MAIN}"
    done = subprocess.run([*RUN, program, "view", "pong"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.endswith('it comes with: pip install "fastatari[view]"\n')


@pytest.mark.parametrize(
    ("missing", "arguments", "message"),
    [
        ("imageio_ffmpeg", ["--out", "a.mp4"], ".mp4 needs imageio-ffmpeg; it comes with: "),
        ("pygame", ["--window"], "--window needs pygame; it comes with: "),
    ],
)
def test_a_missing_package_is_told_before_anything_is_played(folder, capsys, monkeypatch, missing, arguments, message):
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["view", "pong", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f'fastatari view: error: {message}pip install "fastatari[view]"; ')
    assert not list(folder.iterdir())


# The window.


def run_window(folder, program, *arguments, **environment):
    pytest.importorskip("pygame")
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [*RUN, f"{program}\n{MAIN}", "view", "pong", "--window", *arguments]
    return subprocess.run(
        command, env=kept | environment, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(autouse=True)
def _pygame_is_quiet(monkeypatch):
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")


def test_without_a_display_there_is_no_window(tmp_path):
    done = run_window(tmp_path, "", SDL_VIDEODRIVER="x11")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("fastatari view: error: --window needs a display: ")


def test_a_window_shows_every_step_at_the_speed_of_the_console(tmp_path):
    program = """
import time, pygame
begin, pictures, flip = time.monotonic(), [], pygame.display.flip
def count():
    flip()
    pictures.append(pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1))
    if len(pictures) == 16:
        import numpy, sys
        numpy.save("pictures.npy", numpy.array(pictures))
        assert time.monotonic() - begin > 14 / 15
pygame.display.flip = count
"""
    done = run_window(tmp_path, program, "--steps", "15", "--out", "a.gif", SDL_VIDEODRIVER="dummy")
    assert done.returncode == 0, done.stderr
    pictures = np.load(tmp_path / "pictures.npy")
    frames = read_gif(tmp_path / "a.gif")
    assert len(pictures) == len(frames) == 16
    assert all((picture == frame).all() for picture, (frame, _) in zip(pictures, frames, strict=True))


def test_a_window_may_be_closed(tmp_path):
    (tmp_path / "policy_closes.py").write_text(
        "import pygame\nsteps = []\n"
        "def act(observation, info):\n"
        "    steps.append(0)\n"
        "    if len(steps) == 3:\n"
        "        pygame.event.post(pygame.event.Event(pygame.QUIT))\n"
        "    return 0\n"
    )
    done = run_window(tmp_path, "", "--policy", "policy_closes:act", SDL_VIDEODRIVER="dummy")
    assert (done.returncode, done.stderr) == (0, "")
    assert "steps     3" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"policy_closes.py"}


def test_files_are_written_though_nobody_reads_the_report(tmp_path):
    out = tmp_path / "a.gif"
    program = [sys.executable, "-m", "fastatari", "view", "pong", "--steps", "5", "--out", str(out)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"pong, random policy")  # as `head -1`
        process.stdout.close()
        process.wait(60)
        process.stderr.read()
    assert out.read_bytes().startswith(b"GIF")


def test_pictures_can_be_written_to_a_pipe(tmp_path):
    pipe_in, pipe_out = os.pipe()
    write_file(Path(f"/dev/fd/{pipe_out}"), lambda path: path.write_bytes(b"picture"))
    os.close(pipe_out)
    assert os.read(pipe_in, 100) == b"picture"
    os.close(pipe_in)
