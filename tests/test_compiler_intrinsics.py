"""The compiler's intrinsics: compiled they do what their bodies do, and atomic operations are atomic."""

import ctypes
import struct
import threading

import numpy as np
import pytest
from compiling import compile_function, compile_functions
from hypothesis import given, settings
from hypothesis import strategies as st

from fastatari.compiler import Pointer64, pointer
from fastatari.compiler.intrinsics import (
    atomic_add,
    atomic_exchange,
    atomic_load,
    atomic_replace,
    atomic_store,
    call_1,
    call_2,
    call_3,
    call_4,
    call_5,
    call_9,
    draw_below,
    draw_word,
    pause,
    store_double,
)

words = st.one_of(st.sampled_from([0, 1, -1, 2**31, -(2**31), 2**63 - 1, -(2**63)]), st.integers(-(2**63), 2**63 - 1))


def use_load(place: int, a: int, b: int) -> int:
    return atomic_load(place) ^ a ^ b


def use_store(place: int, a: int, b: int) -> int:
    atomic_store(place, a)
    return pointer(Pointer64, place)[0] ^ b


def use_add(place: int, a: int, b: int) -> int:
    return atomic_add(place, a) ^ b


def use_exchange(place: int, a: int, b: int) -> int:
    return atomic_exchange(place, a) ^ b


def use_replace(place: int, a: int, b: int) -> int:
    return atomic_replace(place, a, b) + 2 * atomic_replace(place + 8, b, a)


def use_pause(place: int, a: int, b: int) -> int:
    pause()
    return atomic_load(place)


def use_double(place: int, a: int, b: int) -> int:
    store_double(place, a)
    store_double(place + 8, b)
    return a


ON_MEMORY = [use_load, use_store, use_add, use_exchange, use_replace, use_pause, use_double]


@pytest.fixture(scope="module")
def compiled():
    return compile_functions(ON_MEMORY)


@pytest.mark.parametrize("function", ON_MEMORY, ids=lambda function: function.__name__)
@settings(max_examples=60, deadline=None)
@given(a=words, b=words, first=words, is_equal=st.booleans())
def test_what_intrinsics_do_to_memory_is_cpythons(compiled, function, a, b, first, is_equal):
    results = []
    for call in (function, compiled[function.__name__]):
        cells = (ctypes.c_int64 * 3)(a if is_equal else first, first, 77)
        results.append((ctypes.c_int64(call(ctypes.addressof(cells), a, b)).value, list(cells)))
    assert results[0] == results[1]
    assert results[0][1][2] == 77


@given(number=words)
def test_a_double_is_the_nearest_of_an_integer(number):
    cell = ctypes.c_double()
    store_double(ctypes.addressof(cell), number)
    assert cell.value == float(number)


# Threads.

ROUNDS = 200_000


def count(place: int, rounds: int) -> int:
    seen = 0
    for _ in range(rounds):
        seen = max(seen, atomic_add(place, 1))
    return seen


def count_in_turns(place: int, rounds: int) -> int:
    failures = 0
    done = 0
    while done < rounds:
        old = atomic_load(place)
        if atomic_replace(place, old, old + 1):
            done += 1
        else:
            failures += 1
            pause()
    return failures


def count_locked(place: int, rounds: int) -> int:
    counter = pointer(Pointer64, place + 64)
    for _ in range(rounds):
        while atomic_exchange(place, 1):
            pause()
        counter[0] = counter[0] + 1
        atomic_store(place, 0)
    return 0


def run_threads(*calls):
    """Call functions that let go of the GIL, in a thread each; their results."""
    results = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def work(index, call):
        barrier.wait()
        results[index] = call()

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize(("function", "place"), [(count, 0), (count_in_turns, 0), (count_locked, 8)])
def test_what_two_threads_add_adds_up(function, place):
    call = compile_function(function)
    cells = (ctypes.c_int64 * 16)()
    rounds = ROUNDS if function is not count_locked else ROUNDS // 20  # each waits while the other is not running
    results = run_threads(*[lambda: call(ctypes.addressof(cells), rounds)] * 2)
    assert cells[place] == 2 * rounds
    if function is count:
        assert max(results) == 2 * rounds - 1  # each number was seen once


def wait_for(place: int, rounds: int) -> int:
    """Wait until another thread stores a number, again and again, and return the sum of what it wrote before that."""
    written = pointer(Pointer64, place + 64)
    total = 0
    for i in range(1, rounds + 1):
        while atomic_load(place) < i:
            pause()
        total += written[0]
        atomic_store(place + 8, i)
    return total


def serve(place: int, rounds: int) -> int:
    written = pointer(Pointer64, place + 64)
    for i in range(1, rounds + 1):
        written[0] = i * i
        atomic_store(place, i)
        while atomic_load(place + 8) < i:
            pause()
    return 0


def test_who_sees_a_stored_number_sees_what_was_written_before():
    calls = compile_functions([wait_for, serve])
    cells = (ctypes.c_int64 * 16)()
    place = ctypes.addressof(cells)
    rounds = 30  # each takes as long as the system lets one thread run, where there is one core
    total, _ = run_threads(lambda: calls["wait_for"](place, rounds), lambda: calls["serve"](place, rounds))
    assert total == sum(i * i for i in range(1, rounds + 1))


# Calls by address.


def call_many(functions: int, a: int, b: int) -> int:
    table = pointer(Pointer64, functions)
    total = call_1(table[0], a)
    total = total * 3 + call_2(table[1], a, b)
    total = total * 3 + call_3(table[2], a, b, 3)
    total = total * 3 + call_4(table[3], a, b, 3, -4)
    total = total * 3 + call_5(table[4], a, b, 3, -4, 5)
    return total * 3 + call_9(table[5], a, b, 3, -4, 5, -6, 7, -8, 9)


def make_callee(number):
    """A C function of so many int64, which notes them, and a list of what it noted."""
    seen = []

    def note(*values):
        seen.append(values)
        return sum(value * (k + 1) for k, value in enumerate(values))

    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * number)(note), seen


def test_calls_by_address_pass_all_arguments_on():
    callees = [make_callee(number) for number in (1, 2, 3, 4, 5, 9)]
    table = (ctypes.c_int64 * 6)(*(ctypes.cast(function, ctypes.c_void_p).value for function, _ in callees))
    call = compile_function(call_many)
    for a, b in ((1, 2), (-5, 10**12)):
        expected = call_many(ctypes.addressof(table), a, b)
        noted = [seen.pop() for _, seen in callees]
        assert call(ctypes.addressof(table), a, b) == expected
        assert [seen.pop() for _, seen in callees] == noted
        assert noted[-1] == (a, b, 3, -4, 5, -6, 7, -8, 9)


def draw_both(place: int, bits: int) -> int:
    functions = pointer(Pointer64, place)
    return draw_below(functions[0], functions[2], bits) + 2 * draw_word(functions[1], functions[2])


def test_numpys_generators_are_drawn_from():
    """By the addresses that numpy gives out; CPython's body and the compiled one draw the same."""
    call = compile_function(draw_both)
    for probability in (0.0, 0.25, 0.5, 1.0):
        (bits,) = struct.unpack("<q", struct.pack("<d", probability))
        results = []
        for function in (draw_both, call):
            interface = np.random.PCG64(5).ctypes
            cells = (ctypes.c_int64 * 3)(
                ctypes.cast(interface.next_double, ctypes.c_void_p).value,
                ctypes.cast(interface.next_uint32, ctypes.c_void_p).value,
                interface.state_address,
            )
            results.append([function(ctypes.addressof(cells), bits) for _ in range(40)])
        assert results[0] == results[1]
        generator = np.random.Generator(np.random.PCG64(5))
        expected = []
        for _ in range(40):
            is_below = generator.random() < probability
            expected.append(is_below + 2 * int(generator.integers(2**32, dtype=np.uint32)))
        assert results[0] == expected
