"""The benchmarks measure; here they only have to run, and to find what they compare equal or different."""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import ale_py
import numpy as np
import pytest
from benchmark_package import forking

from benchmarks import (
    chart,
    command,
    console_parts,
    console_races,
    console_share,
    consoles_alone,
    other_packages,
    pipelines,
    ratios,
    starting,
    threads,
    timing,
    vector_rounds,
    vectors,
)
from benchmarks.interfaces import AtariEnv, AtariVectorEnv, find_consoles
from benchmarks.other_packages import PACKAGES
from fastatari.console.memory import Consoles


@pytest.fixture(autouse=True)
def _forking():
    with forking():
        yield


# Rounds, ratios and medians.


def test_rotate_begins_each_turn_with_another_name():
    assert ["".join(timing.rotate("abc", turn)) for turn in range(4)] == ["abc", "bca", "cab", "abc"]


def test_play_rounds_drops_the_first_round_and_those_that_do_not_count():
    order, prepared = [], []
    values = {"a": iter(range(0, 100, 10)), "b": iter(range(1, 100, 10))}
    valid = iter([True, False, True, True])

    def play(name):
        order.append(name)
        return next(values[name])

    times = timing.play_rounds(
        {"a": lambda: play("a"), "b": lambda: play("b")}, 2, prepare=prepared.append, check=lambda: next(valid)
    )
    assert times == {"a": [20, 30], "b": [21, 31]}
    assert "".join(order) == "abbaabba"
    assert prepared == [0, 1, 2, 3]


def test_play_rounds_raises_when_no_round_counts():
    with pytest.raises(RuntimeError, match="only 0 of 6 rounds count, 2 are needed; give them fewer steps"):
        timing.play_rounds({"a": lambda: 1.0}, 2, check=lambda: False)


def test_ratios_and_medians_are_those_of_statistics():
    rng = np.random.default_rng(0)
    theirs, ours = (rng.uniform(1, 9, 7).tolist() for _ in range(2))
    expected = [theirs[i] / ours[i] for i in range(7)]
    assert timing.divide(theirs, ours) == expected
    assert timing.subtract(theirs, ours) == [theirs[i] - ours[i] for i in range(7)]
    texts = f"{statistics.median(expected):.2f}", f"{sorted(expected)[0]:.2f}", f"{sorted(expected)[-1]:.2f}"
    assert timing.write_spread(expected) == "{} ({}..{})".format(*texts)
    assert timing.write_median(ours[:6]) == f"{statistics.median(ours[:6]):.1f}"
    race = vector_rounds.Race("pong", 1, 1, 0.0, "other", ours, theirs, [], [])
    assert race.ratios == ratios.Ratio("", "", ours, theirs).ratios == expected
    assert console_share.Share("pong", 1, 1, ours, theirs, ours).shares == expected
    assert console_share.Share("pong", 1, 1, ours, ours, theirs).times_act == expected
    outside = console_share.Outside("pong", "", 1, theirs, ours).outside
    assert outside == [theirs[i] - ours[i] for i in range(7)]


def test_race_averages_times_and_finds_other_results():
    observation = np.zeros(2, np.uint8)

    def play(actions):
        return [1000 * action for action in actions], [(observation, action) for action in actions]

    inputs = [[9, 9], [1, 3], [2, 8]]
    assert timing.race({"a": play, "b": play}, inputs) == {"a": [2.0, 5.0], "b": [2.0, 5.0]}
    assert timing.race({"a": play}, [[0, 0, 0], [1, 2, 60]], np.median) == {"a": [2.0]}
    with pytest.raises(AssertionError, match=r"\[9\] and \[0\] differ"):
        timing.race({"a": play, "b": lambda actions: ([1], [(observation, 0)] * len(actions))}, inputs)
    with pytest.raises(AssertionError, match="the observations differ"):
        timing.race({"a": play, "b": lambda actions: ([1], [(observation + 1, a) for a in actions])}, inputs)


def test_pack_refuses_what_is_no_gray_level():
    assert timing.pack(np.array([0.0, 255.0])).tolist() == [0, 255]
    with pytest.raises(AssertionError):
        timing.pack(np.array([0.5]))


# What all commands have in common.


def test_computing_ends_its_processes_after_an_exception():
    def fail():
        with command.computing(2) as processes:
            started.extend(processes)
            raise KeyError

    started = []
    with pytest.raises(KeyError):
        fail()
    assert len(started) == 2
    assert all(process.returncode == -9 for process in started)


def test_computing_processes_end_when_their_parent_is_killed():
    program = (
        "import os, command, signal\n"
        "with command.computing(1) as processes:\n"
        "    print(processes[0].pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(command.__file__).parent)}
    process = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=False)
    status = Path(f"/proc/{int(process.stdout)}/stat")
    deadline = time.monotonic() + 20
    while is_running(status) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(status)


def is_running(status):
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: chart.draw_ratios({"group": {"one": [1.0, 3.0, 2.0]}}, "times", {"CPU": "x"}, path),
        lambda path: chart.draw_rates({"one": {8: [1.0, 3.0], 64: [2.0]}, "other": {8: [1.0]}}, "x", "y", {}, path),
    ],
)
def test_charts_of_the_same_figures_are_the_same(tmp_path, draw):
    texts = []
    for name in ("a.svg", "b.svg"):
        draw(tmp_path / name)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert "<svg" in texts[0]


def test_plotted_rates_are_steps_a_second_of_all_environments():
    races = [
        vector_rounds.Race("pong", num, num, 0.0, name, [10.0, 20.0], [40.0, 50.0], [], [])
        for num, name in ((8, "ale-py"), (8, "envpool"), (64, "ale-py"))
    ]
    assert vectors.find_rates([*races, races[0]._replace(game="qbert", ours=[1.0])]) == {
        "fastatari": {8: [1e5, 5e4], 64: [1e5, 5e4]},
        "ale-py": {8: [25e3, 2e4], 64: [25e3, 2e4]},
        "envpool": {8: [25e3, 2e4]},
    }


# Vector environments.


@pytest.mark.parametrize("name", PACKAGES)
def test_vectors_of_other_packages_are_equal(name):
    package = PACKAGES[name]
    pytest.importorskip(package.module)
    result = vector_rounds.race("breakout", 2, package, rounds=1, steps=20, batch_size=2)
    assert [len(column) for column in result[5:]] == [1] * 4
    assert min(map(min, result[5:])) > 0


@pytest.mark.parametrize("name", [other_packages.ALE, other_packages.ENVPOOL])
def test_half_batches_of_other_packages_are_equal(name):
    package = PACKAGES[name]
    pytest.importorskip(package.module)
    result = vector_rounds.race("pong", 4, package, rounds=1, steps=20, batch_size=2, policy=0.001)
    for times, waits in ((result.ours, result.our_waits), (result.theirs, result.their_waits)):
        assert 2 * times[0] == pytest.approx(waits[0] + 1000, rel=0.9)
        assert 2 * times[0] > waits[0] + 1000


def test_vectors_that_differ_are_found():
    package = PACKAGES[other_packages.ALE]
    env = AtariVectorEnv("breakout", 2, preset="ale", noop_max=3)
    actions = np.zeros((1, 2), np.int32)
    players = other_packages.GymnasiumPlayer(env), package.make("breakout", 2, 2)
    runners = [vector_rounds.Runner(player, 2, actions) for player in players]
    try:
        with pytest.raises(AssertionError, match="ale-py and fastatari differ in environment 0 after 0 steps"):
            vector_rounds.check_equal(package.name, *runners, 2)
    finally:
        for runner in runners:
            runner.close()


# Steps beside the console alone.


def test_split_gives_even_parts_of_all():
    assert consoles_alone.split(5, 2) == [slice(0, 2), slice(2, 5)]
    assert consoles_alone.split(1, 2) == [slice(0, 1)]


@pytest.mark.parametrize("num_threads", [1, 2])
def test_compiled_consoles_play_what_an_environment_plays(num_threads):
    env = AtariVectorEnv("breakout", 3, noop_max=0)
    env.reset(seed=1)
    alone = consoles_alone.CompiledConsoles(find_consoles(env), num_threads)
    actions = np.random.default_rng(0).integers(4, size=(6, 3))
    alone.plan(actions)
    seconds = alone.play()
    with pytest.raises(AssertionError, match="environment 0 played another number of frames"):
        alone.check()
    for row in actions:
        env.step(row)
    assert alone.check()
    alone.close()
    env.close()
    assert seconds > 0


def test_compiled_consoles_find_another_ram_and_the_end_of_a_game():
    env = AtariEnv("pong", noop_max=0)
    env.reset(seed=1)
    alone = consoles_alone.CompiledConsoles(find_consoles(env), 1)
    alone.plan(np.full((20, 1), 2))
    alone.play()
    for _ in range(20):
        env.step(3)
    with pytest.raises(AssertionError, match="the RAM differs"):
        alone.check()
    alone._consoles[0].over = 1
    assert not alone.check()
    alone.close()


def test_ale_consoles_play_what_is_played_in_one_process():
    lead, actions = (np.random.default_rng(seed).integers(4, size=(3, 3)) for seed in range(2))
    alone = consoles_alone.ALEConsoles("breakout", 3, 2)
    rams = alone.plan(lead, actions)
    assert alone.play() > 0
    assert alone.check()
    alone.close()
    for i, ram in enumerate(rams):
        ale = consoles_alone.start_ale("breakout")
        legal = ale.getMinimalActionSet()
        for action in lead[:, i]:
            for _ in range(4):
                ale.act(legal[action])
        assert ale.getRAM().tobytes() == ram


def test_play_parts_plays_all_actions_of_each_environment():
    actions = np.random.default_rng(0).integers(4, size=(5, 6))
    envs = [AtariVectorEnv("breakout", 6, noop_max=0, batch_size=size) for size in (6, 3)]
    for env, play in zip(envs, (console_share.play_whole, console_share.play_parts), strict=True):
        env.reset(seed=[0] * 6, env_id=np.arange(6))
        play(env, actions)
    assert consoles_alone.read_rams(find_consoles(envs[0])) == consoles_alone.read_rams(find_consoles(envs[1]))
    for env in envs:
        env.close()


def test_a_round_has_fewer_steps_of_many_environments():
    for num_envs, steps in ((1, 60), (8, 60), (64, 31), (256, 8), (1000, 8)):
        current = console_share.Round("pong", num_envs, 60)
        assert (current.lead.shape, current.actions.shape) == ((20, num_envs), (steps, num_envs))
        assert current.divide(2.0) == pytest.approx(2e6 / (steps * num_envs))


# Steps beside their references, resets and states.


def test_screens_are_those_of_the_last_two_frames():
    screens = pipelines.Screens("pong")
    (pair,) = screens.record(1)
    ale = consoles_alone.start_ale("pong")
    action = ale.getMinimalActionSet()[np.random.default_rng(0).integers(6)]
    shown = []
    for _ in range(4):
        ale.act(action)
        shown.append((ale.getScreen(), ale.getScreenRGB()))
    for k in range(2):
        assert np.array_equal(pair.indices[k], shown[2 + k][0])
        assert np.array_equal(pair.colours[k], shown[2 + k][1])


def test_time_copies_finds_a_restore_that_does_nothing(monkeypatch):
    monkeypatch.setattr(AtariEnv, "restore_state", lambda *_: None)
    with pytest.raises(AssertionError, match="differ"):
        ratios.time_copies("breakout", 1, 40)


# Threads.


def test_threads_set_the_options_of_the_queue():
    cores = consoles_alone.list_cores()
    stepper = threads.OnQueue("pong", 2, 1, (cores[0],), caller_plays=True, awake=0)
    queue = stepper._engine.threads.queue
    assert (queue.spins, queue.caller_plays, queue.thread_num) == (0, 1, 1)
    stepper.close()


def test_threads_that_give_other_observations_are_found():
    class Wrong(threads.OnQueue):
        def step(self, actions):
            super().step(actions)
            self.out[0, 0, 0, 0] += 1

    variants = {"right": lambda *sizes: threads.OnQueue(*sizes, 0), "wrong": lambda *sizes: Wrong(*sizes, 0)}
    with pytest.raises(AssertionError, match="the observations differ"):
        threads.race("pong", 2, 0.0, variants, 1, 2)


# Starting.


def test_first_step_program_prints_seconds_and_says_nothing():
    process = subprocess.run([sys.executable, "-c", starting._FIRST_STEP], capture_output=True, text=True, check=True)
    seconds, _ = process.stdout.split()
    assert 0 < float(seconds) < 60
    assert not process.stderr


COMPILING = """
import os, pathlib, sys
path = pathlib.Path(os.environ["FASTATARI_CACHE_DIR"]) / "code"
if not path.exists():
    path.write_bytes(bytes(70))
    {notice}
print(0.25 if path.stat().st_mtime_ns % 2 else 0.5, 7)
"""
SAYS_SO = "sys.stderr.write('fastatari: compiling for this machine, once')"


def test_compile_anew_tells_the_first_process_from_the_others(monkeypatch):
    monkeypatch.setattr(starting, "_FIRST_STEP", COMPILING.format(notice=SAYS_SO))
    result = starting.compile_anew(2)
    assert (len(result.cold), len(result.warm), result.size) == (2, 2 * starting._WARM, 70)
    monkeypatch.setattr(starting, "_FIRST_STEP", COMPILING.format(notice="pass"))
    with pytest.raises(AssertionError):
        starting.compile_anew(1)


def test_memory_of_further_environments_is_the_slope_of_medians():
    few = starting.Start("", 8, [], [30.0, 20.0, 10.0])
    many = starting.Start("", 40, [], [36.0, 90.0, 30.0])
    assert starting.find_slope(few, many) == (36 - 20) / 32
    assert starting.read_size("Rss: 900 kB\nPss:     120 kB\nPss_Anon: 5 kB\n") == 120


def test_measure_memory_counts_children():
    before = starting.measure_memory()
    program = "data = bytearray(b'x' * 50_000_000); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
        deadline = time.monotonic() + 20
        while starting.measure_memory() < before + 45 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert starting.measure_memory() > before + 45
        child.communicate(b"\n")


# The console.


def test_a_difference_of_the_console_is_found(monkeypatch):
    monkeypatch.setattr(console_races, "PADDLE_STEP", 0)
    with pytest.raises(AssertionError, match=r"breakout, frame \d+: the RAM differs"):
        console_races.check_equal("breakout")


def test_parts_of_the_console_are_measured():
    loading = console_parts.measure_loading("pong", 1)
    assert loading.ale[0] > loading.again[0] > 0
    copies = console_parts.measure_copies("pong", 1, 5)
    assert copies.ale_read[0] > copies.raw[0] > 0
    counts = console_parts.count("pong", 1, plain_frames=1)
    assert counts.instructions > counts.tia_writes > counts.tia_reads > 0
    assert isinstance(console_races.Group("pong").consoles, Consoles)
    assert ale_py.ALEInterface.isSupportedROM(console_races.find_rom("pong")) == "pong"
