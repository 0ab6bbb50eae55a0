import dataclasses
import subprocess
import sys

import ale_py
import numpy as np
import pytest
from commands import find_argument_error

from fastatari import AtariEnv
from fastatari.cli import golden, packages, verify
from fastatari.cli.main import main
from fastatari.cli.packages import PEERS
from fastatari.rules import PRESETS

# Each preset with another game, so that few games show much.
PAIRS = list(zip(PEERS, golden.GAMES, strict=False))


@pytest.fixture
def peer(monkeypatch):
    """Replaces fields of a preset's package."""

    def replace(preset, **fields):
        monkeypatch.setitem(PEERS, preset, PEERS[preset]._replace(**fields))

    return replace


@pytest.fixture
def hashes(monkeypatch):
    """Replaces golden hashes of a preset's game, or the version that they are of."""

    def replace(preset, rom, ale_py=ale_py.__version__, **digests):
        entry = golden.load()[preset]
        games = entry.games | {rom: entry.games[rom]._replace(**digests)}
        monkeypatch.setattr(golden, "load", lambda: {preset: golden.Golden(ale_py, games)})

    return replace


@pytest.mark.parametrize("preset", PEERS)
@pytest.mark.parametrize(
    ("rom", "fields"),
    [("breakout", {}), ("mr_do", {"max_num_frames_per_episode": 101})],
    ids=["lives", "frames"],
)
def test_nothing_differs_from_the_real_package(preset, rom, fields):
    for module in PEERS[preset].modules:
        pytest.importorskip(module)
    if fields and preset == "envpool":
        # It has no budget of frames, and does not show all of a screen as high as that of Mr. Do.
        rom, fields = "seaquest", {"max_episode_steps": 26}
    advances = []
    found = verify.compare(preset, rom, 150, seed=3, fields=fields, advance=advances.append)
    assert found.difference is None
    assert found[:4] == (150, found.episodes, 0, 0)
    assert sum(advances) == 150
    assert found.episodes >= 2 or not fields


@pytest.mark.parametrize("life_loss", ["report", "reset"])
def test_other_rules_are_compared(life_loss):
    found = verify.compare("ale", "breakout", 300, fields={"life_loss": life_loss, "frame_skip": 5})
    assert found.difference is None
    assert found.episodes >= (1 if life_loss == "report" else 5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"frame_skip": 3}, ["pong, step 1: ", "episode_frame_number "]),
        ({"screen_size": 64}, ["reset after step 0: 28,224 pixels, shape (4, 84, 84) instead of (4, 64, 64)"]),
        ({"scale_obs": True}, ["dtype uint8 instead of float32"]),
        ({"max_num_frames_per_episode": 90}, ["truncated False instead of True"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_difference_is_described_and_fails(capsys, peer, fields, words):
    peer("gymnasium", make=lambda rom, **rules: packages.make_gymnasium(rom, **rules | fields))
    assert verify.run(["gymnasium"], ["pong"], 60) == 1
    output = capsys.readouterr().out
    assert all(word in output for word in words)
    assert "1 of 1 comparisons found a difference" in output


def test_every_pixel_is_counted_to_the_end(peer):
    class Inverted:
        def __init__(self, rom):
            self.package = packages.make_ale(rom)
            self.close = self.package.close

        def reset(self, seed):
            outcome = self.package.reset(seed)
            return outcome._replace(observation=255 - outcome.observation)

        def step(self, action):
            outcome = self.package.step(action)
            return outcome._replace(observation=outcome.observation ^ 1, reward=outcome.reward + 1)

    peer("ale", make=Inverted)
    steps, episodes, pixels, values, difference = verify.compare("ale", "pong", 20)
    assert (steps, episodes, pixels, values) == (20, 0, 21 * 4 * 84 * 84, 20)
    assert difference == "reset after step 0: 28,224 pixels"


@pytest.mark.parametrize("is_same", [True, False])
def test_a_package_may_give_up_only_after_a_difference(peer, is_same):
    class Tired:
        def __init__(self, rom):
            self.package = packages.make_ale(rom)
            self.close = self.package.close

        def reset(self, seed):
            return self.package.reset(seed if is_same else seed + 1)._replace(lives=0 if is_same else 9)

        def step(self, action):
            raise RuntimeError("no more")

    peer("ale", make=Tired)
    if is_same:
        with pytest.raises(RuntimeError, match="no more"):
            verify.compare("ale", "pong", 20)
    else:
        assert "lives 0 instead of 9" in verify.compare("ale", "pong", 20).difference


@pytest.mark.parametrize("preset", ["gymnasium", "sb3", "cleanrl"])
def test_a_refused_game_is_neither_right_nor_wrong(capsys, preset):
    for module in PEERS[preset].modules:
        pytest.importorskip(module)
    assert main(["verify", "--preset", preset, "--game", "backgammon"]) == 0
    output = capsys.readouterr().out
    assert f"{preset}, refused by {PEERS[preset].distribution}: backgammon" in output
    assert output.endswith("nothing was compared\n")


def test_the_command_compares_what_it_is_told(capsys):
    arguments = ["--preset", "gymnasium", "--preset", "ale", "--game", "pong", "--game", "ALE/Breakout-v5"]
    assert main(["verify", *arguments, "--steps", "20", "--seed", "1"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert f"ale-py {ale_py.__version__}, " in first
    rows = [line.split() for line in lines]
    version = ale_py.__version__
    assert ["ale", "ale-py", version, "2", "40", "0", "0", "0"] in rows  # both games, each in two parts
    assert [row[0] for row in rows if row[1:2] == ["ale-py"] or row[:1] == ["gymnasium"]] == ["gymnasium", "ale"]
    assert lines[-1] == "none of 4 comparisons found a difference"


@pytest.mark.parametrize(("preset", "rom"), PAIRS)
def test_without_its_package_a_preset_is_compared_with_golden_hashes(capsys, peer, preset, rom):
    if golden.load()[verify.VERSIONED[preset]].ale_py != ale_py.__version__:
        pytest.skip("they are of another ale-py")
    peer(preset, modules=("no_such_module",))
    assert verify.run([preset], [rom, "tetris"]) == 0
    output = capsys.readouterr().out
    assert f"{preset}, no golden hashes: tetris" in output
    assert [preset, "golden", "hashes", "1", "400", "-", "-", "0"] in [line.split() for line in output.splitlines()]
    assert output.endswith("\nnone of 1 comparisons found a difference\n")


@pytest.mark.parametrize(
    ("digests", "message"),
    [
        ({"outputs": "0"}, "outputs: the emulator gives the same, but what is made of it differs"),
        ({"inputs": "0"}, "inputs: the emulator itself gives something else here, so the outputs cannot be judged"),
        ({"inputs": "0", "outputs": "0"}, "inputs: the emulator itself "),
    ],
    ids=["outputs", "inputs", "both"],
)
def test_a_wrong_hash_fails_in_its_own_words(capsys, peer, hashes, digests, message):
    peer("gymnasium", modules=("no_such_module",))
    hashes("gymnasium@1", "pong", **digests)
    assert verify.run(["gymnasium"], ["pong"]) == 1
    output = capsys.readouterr().out
    assert f"gymnasium, pong, {message}" in output
    assert "are those of ale-py" not in output


def test_hashes_of_another_emulator_are_said_to_be(capsys, peer, hashes):
    peer("gymnasium", modules=("no_such_module",))
    hashes("gymnasium@1", "pong", ale_py="0.0.1")
    verify.run(["gymnasium"], ["pong"])
    warning = f"the golden hashes are those of ale-py 0.0.1; the inputs of {ale_py.__version__} may differ"
    assert f"gymnasium: {warning}" in capsys.readouterr().out


def test_there_are_golden_hashes_of_every_preset_and_game():
    stored = golden.load()
    assert stored.keys() == PRESETS.keys()
    missing = {"envpool@1": {"journey_escape", "mr_do"}}  # whose screens it does not show in full
    for preset, entry in stored.items():
        assert entry.games.keys() == set(golden.GAMES) - missing.get(preset, set())


def test_golden_hashes_are_kept_as_they_are_written(tmp_path, monkeypatch):
    stored, text = golden.load(), golden.PATH.read_text()
    monkeypatch.setattr(golden, "PATH", tmp_path / "golden.json")
    golden.save(stored)
    assert (golden.load(), golden.PATH.read_text()) == (stored, text)


@pytest.mark.parametrize(("preset", "rom"), PAIRS[::2])
def test_digests_depend_neither_on_the_console_nor_on_the_type_of_actions(monkeypatch, preset, rom):
    digests = golden.play(preset, rom)

    class Env(AtariEnv):
        def step(self, action):
            return super().step(np.uint8(action))

    monkeypatch.setattr(golden, "AtariEnv", Env)
    assert golden.play(preset, rom, console="ale") == digests


def test_digests_tell_inputs_from_outputs(monkeypatch):
    digests = golden.play("gymnasium", "breakout")
    rules = dataclasses.replace(PRESETS["gymnasium@1"], gray="gymnasium")
    monkeypatch.setitem(PRESETS, "gymnasium@1", rules)
    other = golden.play("gymnasium", "breakout")
    assert (other.inputs == digests.inputs, other.outputs == digests.outputs) == (True, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "sb4"], "argument --preset: invalid choice: 'sb4'"),
        (["--game", "brekout"], "the closest is 'breakout'"),
        (["--game", "pong", "--all-games"], "argument --all-games: not allowed with argument --game"),
        (["--steps", "0"], "argument --steps: must be a positive integer, got '0'"),
        (["--seed", "-1"], "argument --seed: must be a non-negative integer, got '-1'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments_are_named(capsys, arguments, message):
    assert message in find_argument_error(capsys, "verify", arguments)


def test_a_seed_that_one_package_refuses_is_told_after_the_others(capsys):
    arguments = ["--preset", "ale", "--preset", "gymnasium", "--game", "pong", "--game", "breakout"]
    assert main(["verify", *arguments, "--steps", "8", "--seed", str(2**31)]) == 1
    out, err = capsys.readouterr()
    reason = "ValueError: `seed` must be below 2**31 with `seeding` 'ale', got 2147483648"
    assert err == f"fastatari verify: error: ale was not compared on pong, breakout: {reason}\n"
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows if row[-5:-3] == ["2", "16"]] == ["gymnasium"]
    assert out.endswith("\nnone of 2 comparisons found a difference\n")


def test_a_package_that_fails_is_told_after_the_others(capsys, peer):
    def make(rom, **_):
        if rom == "pong":
            raise RuntimeError("no such thing\nas pong")
        return packages.make_ale(rom)

    peer("ale", make=make)
    assert verify.run(["ale"], ["pong", "breakout"], 8) == 1
    out, err = capsys.readouterr()
    assert err == "fastatari verify: error: ale was not compared on pong: RuntimeError: no such thing\n"
    assert out.endswith("\nnone of 1 comparisons found a difference\n")


def test_ctrl_c_leaves_what_was_found(capsys, monkeypatch):
    compare = verify.compare

    def compare_until(preset, rom, *arguments, **fields):
        if rom == "seaquest":
            raise KeyboardInterrupt
        return compare(preset, rom, *arguments, **fields)

    monkeypatch.setattr(verify, "compare", compare_until)
    arguments = ["--preset", "ale", "--preset", "gymnasium"]
    assert main(["verify", *arguments, "--game", "pong", "--game", "seaquest", "--steps", "8"]) == 130
    out, err = capsys.readouterr()
    assert err == "interrupted\n"
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows if row[-5:-3] == ["1", "8"]] == ["ale"]
    assert out.endswith("\nnone of 1 comparisons found a difference\n")


def run_without(module, *arguments):
    program = (
        f"import sys; sys.modules[{module!r}] = None; from fastatari.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-P", "-c", program, "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_missing_package_names_the_extra():
    done = run_without("rich")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.endswith('it comes with: pip install "fastatari[verify]"\n')


def test_without_opencv_there_are_golden_hashes():
    done = run_without("cv2", "--preset", "labml", "--game", "pong")
    assert done.stderr == ""
    assert "opencv missing" in done.stdout
    assert "golden hashes" in done.stdout
