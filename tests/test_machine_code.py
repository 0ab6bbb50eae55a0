"""The compiled console, called from Python, from threads and from numba."""

import ctypes
import subprocess
import sys
import threading

import ale_py.roms
import numba
import numpy as np
import pytest

from fastatari import ALEInterface
from fastatari.console import generators, machine_code
from fastatari.console.memory import Consoles, load_rom
from fastatari.console.starts import Starts
from fastatari.console.state import STATE_SIZE, Generator

SEEDS = 4753849, 5


def make(rom, number):
    with open(ale_py.roms.get_rom_path(rom), "rb") as file:
        consoles = Consoles(load_rom(file.read(), rom), number)
    for address in consoles.addresses:
        assert machine_code.functions().power_on(int(address), *SEEDS) == 0
    return consoles


def draw_actions(count, number):
    return np.random.default_rng(1).integers(0, 18, (count, number))


def play(consoles, actions):
    """One call a console and step, one after the other."""
    act = machine_code.functions().act_frames
    rewards = [[act(int(a), int(action), 23000, 4, 0b1100) for a, action in zip(consoles.addresses, row, strict=True)]
               for row in actions]  # fmt: skip
    return np.array(rewards, np.int32)


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        assert bytes(one.ram) == bytes(other.ram)
        assert one.frame_number == other.frame_number
    np.testing.assert_array_equal(some.screens, others.screens)


@pytest.mark.parametrize("rom", ["breakout", "seaquest", "montezuma_revenge"])
def test_many_consoles_in_one_call_play_as_each_alone(rom):
    alone, together = make(rom, 3), make(rom, 3)
    actions = draw_actions(50, 3)
    expected = play(alone, actions)
    rewards = np.zeros(3, np.int32)
    for row, reward in zip(actions, expected, strict=True):
        numbers = np.ascontiguousarray(row, np.int64)
        machine_code.functions().act_all(
            together.addresses.ctypes.data, 3, numbers.ctypes.data, 4, 0b1100, rewards.ctypes.data
        )
        np.testing.assert_array_equal(rewards, reward)
    assert_same(alone, together)


def test_threads_play_what_one_thread_plays():
    alone, apart = make("pong", 4), make("pong", 4)
    actions = draw_actions(100, 4)
    play(alone, actions)

    def work(i):
        for action in actions[:, i]:
            machine_code.functions().act_frames(int(apart.addresses[i]), int(action), 23000, 4, 0b1100)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_same(alone, apart)


FIRST_USE = """
import threading
import ale_py.roms
from fastatari import ALEInterface

barrier = threading.Barrier(4)

def play(rom):
    ale = ALEInterface()
    barrier.wait()
    ale.loadROM(ale_py.roms.get_rom_path(rom))
    for _ in range(300):
        ale.act(0)

threads = [threading.Thread(target=play, args=(rom,)) for rom in ("breakout", "pong", "seaquest", "qbert")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("played")
"""


@pytest.mark.parametrize("number", [0, 1, 4753849, 2**31, 2**32 - 1, 2**32 + 5, -1])
def test_generators_are_seeded_as_those_of_numpy(number):
    """Both are MT19937; a seed has 32 bits."""
    generator, twin = Generator(), Generator()
    machine_code.functions().seed(ctypes.addressof(generator), number)
    generators.seed(twin, number)
    assert bytes(generator) == bytes(twin)
    expected = np.random.RandomState(number % 2**32).randint(0, 2**32, 1300, np.uint32)
    assert [generators.draw(twin) for _ in range(1300)] == expected.tolist()


@pytest.mark.parametrize("rom", ["breakout", "montezuma_revenge"])
def test_functions_with_and_without_the_gil_do_the_same(rom):
    results = []
    for functions in (machine_code.functions(), machine_code.functions_with_gil()):
        consoles = make(rom, 1)
        address, table = int(consoles.addresses[0]), Starts(consoles.rom.rows)
        played = [functions.begin(address, table.address, opening) for opening in (0, 9, 9)]
        rewards = [functions.act_frames(address, k % 5, 23000, 4, 0b1000) for k in range(30)]
        functions.draw_pictures(address)
        results.append((played, rewards, bytes(consoles[0])[:STATE_SIZE], consoles.screens.tobytes()))
    assert results[0] == results[1]
    assert results[0][0] == [0, 3, 3]
    assert machine_code.functions().addresses == machine_code.functions_with_gil().addresses


def test_the_first_use_can_be_by_several_threads_at_once():
    run = subprocess.run([sys.executable, "-c", FIRST_USE], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "played\n"


def test_threads_may_share_an_interface():
    ale = ALEInterface()
    ale.loadROM(ale_py.roms.get_rom_path("breakout"))
    before = ale.getFrameNumber()
    shapes = set()
    is_over = threading.Event()

    def look():
        while not is_over.is_set():
            shapes.add(ale.getScreen().shape)

    def act():
        for _ in range(500):
            ale.act(0)

    viewer, *players = (threading.Thread(target=target) for target in (look, act, act))
    viewer.start()
    for player in players:
        player.start()
    for player in players:
        player.join()
    is_over.set()
    viewer.join()
    assert shapes == {(210, 160)}
    assert ale.getFrameNumber() == before + 1000


def test_numba_calls_it():
    act_frames = machine_code.functions().act_frames

    @numba.njit(nogil=True)
    def run(addresses, actions):
        total = 0
        for row in actions:
            for i in range(len(addresses)):
                total += act_frames(addresses[i], row[i], 23000, 4, 12)
        return total

    alone, compiled = make("breakout", 2), make("breakout", 2)
    actions = draw_actions(60, 2)
    assert run(compiled.addresses, actions) == play(alone, actions).sum()
    assert_same(alone, compiled)


def test_it_says_where_it_cannot_be_compiled():
    machine_code.check_support("x86_64-unknown-linux-gnu", (20, 1, 8))
    machine_code.check_support("arm64-apple-darwin", (22, 1, 0))
    with pytest.raises(
        RuntimeError, match=r"compiled for x86_64, aarch64, arm64; this is riscv64-unknown-linux-gnu\. E"
    ):
        machine_code.check_support("riscv64-unknown-linux-gnu", (22, 1, 0))
    message = r"needs LLVM 20, which comes with llvmlite 0\.45 and numba 0\.62; this is LLVM 15\.0\.7"
    with pytest.raises(RuntimeError, match=message):
        machine_code.check_support("x86_64-unknown-linux-gnu", (15, 0, 7))


def test_a_processor_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="target 'z80' is not known; on this machine there are"):
        machine_code.prepare("z80")
