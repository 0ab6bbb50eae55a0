"""Saved states: the format, what is refused, and generators of numpy."""

import json
import math
import re
import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from fastatari.checkpoint import MAGIC, VERSION, pack, take_array, take_bool, take_dict, take_int, take_str, unpack
from fastatari.saved_generators import generator_from_values, generator_to_values

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
NAMES = "bool, int8, int16, int32, int64, uint8, uint16, uint32, uint64, float32, float64"
BIT_GENERATORS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]

VALUES = {"rom": "breakout", "lives": 5, "over": False, "seed": None, "state": 2**127, "r": 0.1, "list": [1, [2, {}]]}
ARRAYS = {"ram": np.arange(5, dtype=np.uint8), "counts": np.array([[-1, 2**40]]), "over": np.array([True, False])}
DATA = pack("env", VALUES, ARRAYS)

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)
values_of_states = st.dictionaries(st.text(), plain, max_size=5)
arrays_of_states = st.dictionaries(
    st.text(),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=4,
)


def make(header, body=b"", version=VERSION, magic=MAGIC, checksum=None, size=None, header_size=None):
    """Return the bytes of a state as the format says, with any part of them replaced."""
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    rest = struct.pack(
        "<QQ",
        32 + len(header) + len(body) if size is None else size,
        len(header) if header_size is None else header_size,
    )
    rest += header + body
    return magic + struct.pack("<II", version, zlib.crc32(rest) if checksum is None else checksum) + rest


def make_one(description, body=b""):
    return make({"kind": "env", "values": {}, "arrays": [description]}, body)


def read_plainly(data):
    """Return the kind, values and arrays of a state, read without any check."""
    size, header_size = struct.unpack("<QQ", data[16:32])
    header = json.loads(data[32 : 32 + header_size])
    arrays, offset = {}, 32 + header_size
    for name, dtype, shape in header["arrays"]:
        count = math.prod(shape)
        arrays[name] = np.frombuffer(data, np.dtype(dtype).newbyteorder("<"), count, offset).reshape(shape)
        offset += -(-arrays[name].nbytes // 8) * 8
    assert offset == size == len(data)
    return header["kind"], header["values"], arrays


def assert_same(found, values, arrays):
    assert repr(found[0]) == repr(values)  # which tells 1, 1.0 and True apart, and -0.0 from 0.0
    assert list(found[1]) == list(arrays)
    for name, array in arrays.items():
        assert found[1][name].dtype == array.dtype
        assert found[1][name].shape == array.shape
        assert found[1][name].tobytes() == array.tobytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values_of_states, arrays_of_states, st.text())
def test_unpack_returns_what_was_packed(values, arrays, kind):
    data = pack(kind, values, arrays)
    assert type(data) is bytes
    assert_same(unpack(data, kind), values, arrays)
    found_kind, *found = read_plainly(data)
    assert found_kind == kind
    assert_same(found, values, arrays)


@pytest.mark.parametrize("convert", [bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_unpack_takes_anything_like_bytes(convert):
    assert_same(unpack(convert(DATA), "env"), VALUES, ARRAYS)


def test_unpack_keeps_no_reference_to_memory_that_may_change():
    data = bytearray(DATA)
    found = unpack(data, "env")
    data[:] = bytes(len(data))
    assert_same(found, VALUES, ARRAYS)


def test_arrays_of_unpack_are_read_only_aligned_and_contiguous():
    arrays = {f"array {length}": np.zeros(length, dtype) for length in range(9) for dtype in DTYPES}
    for array in unpack(pack("env", {}, arrays), "env")[1].values():
        assert not array.flags.writeable
        assert array.flags.aligned
        assert array.flags.c_contiguous


def test_pack_takes_arrays_that_are_not_contiguous_and_copies_them():
    array = np.arange(24).reshape(4, 6)
    data = pack("env", {}, {"every second": array[::2, ::-2], "columns first": array.T, "scalar": np.float32(0.5)})
    expected = {"every second": array[::2, ::-2].copy(), "columns first": array.T.copy(), "scalar": np.array(0.5, "f4")}
    array[:] = 0
    assert_same(unpack(data, "env"), {}, expected)


@pytest.mark.parametrize(
    ("values", "arrays", "error", "message"),
    [
        ({"x": np.int64(3)}, {}, TypeError, "values must be numbers, strings, lists or dicts, got int64"),
        ({"x": [1, {"y": (1, 2)}]}, {}, TypeError, "values must be numbers, strings, lists or dicts, got tuple"),
        ({"x": b"x"}, {}, TypeError, "values must be numbers, strings, lists or dicts, got bytes"),
        ({1: 2}, {}, TypeError, r"names of values must be strings, got \[1\]"),
        ({"x": {None: 2}}, {}, TypeError, r"names of values must be strings, got \[None\]"),
        ({"x": math.nan}, {}, ValueError, "values must be finite, and integers short enough to be printed: "),
        ({"x": [math.inf]}, {}, ValueError, "values must be finite, and integers short enough to be printed: "),
        ({"x": 10**5000}, {}, ValueError, "values must be finite, and integers short enough to be printed: "),
        ({}, {"x": [1, 2]}, TypeError, f"array 'x' must be an array of {NAMES}, got list"),
        ({}, {"x": np.zeros(2, "f2")}, TypeError, f"array 'x' must be an array of {NAMES}, got float16"),
        ({}, {"x": np.zeros(2, ">i4")}, TypeError, f"array 'x' must be an array of {NAMES}, got >i4"),
        ({}, {"x": np.zeros(2, object)}, TypeError, f"array 'x' must be an array of {NAMES}, got object"),
        ({}, {"x": np.zeros(2, "i4,i4")}, TypeError, f"array 'x' must be an array of {NAMES}, got .*f0"),
    ],
)
def test_pack_refuses_what_the_format_cannot_hold(values, arrays, error, message):
    with pytest.raises(error, match=f"^{message}"):
        pack("env", values, arrays)


def nest(levels):
    value = 0
    for level in range(levels):
        value = [value] if level % 2 else {"x": value}
    return {"x": value}


def test_values_can_be_nested_on_sixteen_levels_and_no_more():
    assert_same(unpack(pack("env", nest(14), {}), "env"), nest(14), {})
    message = "values must be nested on at most 16 levels, got more"
    with pytest.raises(ValueError, match=message):
        pack("env", nest(15), {})
    with pytest.raises(ValueError, match=message):
        unpack(make({"kind": "env", "values": nest(15), "arrays": []}), "env")


@pytest.mark.parametrize("data", [None, 3, "FASTATAR", [1, 2], object()])
def test_unpack_raises_a_type_error_when_the_data_are_not_like_bytes(data):
    with pytest.raises(TypeError, match=f"^`data` must be bytes, got {type(data).__name__}$"):
        unpack(data, "env")


EMPTY = {"kind": "env", "values": {}, "arrays": []}
DAMAGED = {
    "empty": (b"", "must be a saved state, which begins with b'FASTATAR', got b''"),
    "something else": (b"\x80\x04\x95...", r"must be a saved state, which begins with b'FASTATAR', got b'\\x80"),
    "another magic": (make(EMPTY, magic=b"FASTATAS"), "must be a saved state, which begins with .*, got b'FASTATAS'"),
    "cut in the magic": (DATA[:5], "must have at least 32 bytes, got 5: it was cut"),
    "cut before the header": (DATA[:31], "must have at least 32 bytes, got 31: it was cut"),
    "cut in the header": (DATA[:50], f"must have {len(DATA)} bytes, got 50: it was cut"),
    "cut at the end": (DATA[:-1], f"must have {len(DATA)} bytes, got {len(DATA) - 1}: it was cut"),
    "one byte more": (DATA + b"\0", f"must have {len(DATA)} bytes, got {len(DATA) + 1}: something was added"),
    "another version": (make(EMPTY, version=2), "must be of version 1 of the format of saved states, got version 2"),
    "version 0": (make(EMPTY, version=0), "must be of version 1 of the format of saved states, got version 0"),
    "damaged": (DATA[:-9] + b"x" + DATA[-8:], "must have the checksum [0-9a-f]{8}, got [0-9a-f]{8}: it was damaged"),
    "another checksum": (make(EMPTY, checksum=1), "must have the checksum 00000001, got [0-9a-f]{8}: it was damaged"),
    "another size": (make(EMPTY, size=2**63), "must have 9223372036854775808 bytes, got 80: it was cut"),
    "a long header": (make(EMPTY, header_size=56), "header of at most 48 bytes, a multiple of 8, got 56 bytes"),
    "an endless header": (
        make(EMPTY, header_size=2**64 - 8),
        "header of at most 48 bytes, .*, got 18446744073709551608",
    ),
    "a header not padded": (make(EMPTY, header_size=47), "header of at most 48 bytes, a multiple of 8, got 47 bytes"),
    "no header": (make(b""), "must have a header of valid JSON, got an error: Expecting value"),
    "a header that ends early": (make(b'{"kind": "env"'), "must have a header of valid JSON, got an error: Expecting"),
    "a header with a tail": (make(b"{}{}"), "must have a header of valid JSON, got an error: Extra data"),
    "a header in UTF-8": (make('"\u00e4"'.encode()), "must have a header of valid JSON, got an error: 'ascii' codec"),
    "NaN": (make(b'{"x": NaN}'), "must have a header of valid JSON, got an error: the number NaN is not finite"),
    "Infinity": (make(b"[-Infinity]"), "must have a header of valid JSON, .*: the number -Infinity is not finite"),
    "1e999": (make(b"[1e999]"), "must have a header of valid JSON, .*: the number 1e999 is not finite"),
    "an integer of 5,000 digits": (make(b"9" * 5000), "must have a header of valid JSON, got an error: Exceeds"),
    "a name twice": (make(b'{"x": 1, "x": 1}'), "of valid JSON, got an error: a name is there twice in an object"),
    "a deep list": (make(b"[" * 100_000), "must have a header of few levels, got one that is nested too deeply"),
    "a deep object": (make(b'{"x":' * 100_000), "must have a header of few levels, got one that is nested too deeply"),
    "no object": (make([]), "must have a header with the members kind, values and arrays, got others"),
    "no kind": (make({"values": {}, "arrays": []}), "must have a header with the members kind, values and arrays"),
    "a member more": (make(EMPTY | {"code": "x"}), "must have a header with the members kind, values and arrays"),
    "a number as kind": (make(EMPTY | {"kind": 3}), "must have a string, an object and a list as kind, values and "),
    "a list as values": (make(EMPTY | {"values": []}), "must have a string, an object and a list as kind, values and "),
    "an object as arrays": (make(EMPTY | {"arrays": {}}), "must have a string, an object and a list as kind, values"),
    "another kind": (make(EMPTY | {"kind": "vector"}), "must be a saved state of kind 'env', got kind 'vector'"),
    "an array twice": (
        make(EMPTY | {"arrays": [["x", "uint8", [0]], ["x", "uint8", [0]]]}),
        "must have each array once, got array 'x' twice",
    ),
    "a description too short": (make_one(["x", "uint8"]), r"must describe an array as \[name, dtype, shape\]"),
    "no description": (make_one("x"), r"must describe an array as \[name, dtype, shape\], got something else"),
    "a number as name": (make_one([1, "uint8", [0]]), r"must describe an array as \[name, dtype, shape\]"),
    "a list as dtype": (make_one(["x", ["uint8"], [0]]), r"must describe an array as \[name, dtype, shape\]"),
    "objects": (make_one(["x", "object", [1]], bytes(8)), f"must have a dtype of {NAMES} for array 'x', got 'object'"),
    "a dtype by its code": (make_one(["x", "<i8", [1]], bytes(8)), f"dtype of {NAMES} for array 'x', got '<i8'"),
    "a negative length": (make_one(["x", "uint8", [-1]]), "shape of at most 64 integers from 0 on for array 'x'"),
    "two negative lengths": (
        make_one(["x", "uint8", [-2, -4]], bytes(8)),
        "shape of at most 64 integers from 0 on for array ",
    ),
    "a fraction as length": (make_one(["x", "uint8", [1.0]]), "shape of at most 64 integers from 0 on for array 'x'"),
    "True as length": (make_one(["x", "uint8", [True]], bytes(8)), "shape of at most 64 integers from 0 on for array "),
    "an endless length": (make_one(["x", "uint8", [10**30, 0]]), "shape that numpy allows for array 'x', got one that"),
    "many axes": (make_one(["x", "uint8", [1] * 65], bytes(8)), "shape of at most 64 integers from 0 on for array "),
    "an array without its bytes": (
        make_one(["x", "int64", [2, 2]], bytes(24)),
        r"must have the 32 bytes of array 'x' of shape \(2, 2\), got 24",
    ),
    "a huge array": (
        make_one(["x", "float64", [2**50]]),
        "must have the 9007199254740992 bytes of array 'x' of .*, got 0",
    ),
    "an array without its padding": (make_one(["x", "uint8", [5]], bytes(5)), "must end with its last array, after "),
    "bytes behind the arrays": (make_one(["x", "uint8", [8]], bytes(16)), "must end with its last array, after "),
    "bytes without arrays": (make(EMPTY, bytes(8)), "must end with its last array, after 80 bytes, got 88 bytes"),
    "a boolean of 2": (
        make_one(["x", "bool", [8]], b"\0\1\0\1\0\1\0\2"),
        "must have bytes 0 and 1 in array 'x' of booleans, got others",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_unpack_says_what_is_wrong_with_the_data(name):
    data, message = DAMAGED[name]
    with pytest.raises(ValueError, match=f"^`data` {'.*' if not message.startswith('must') else ''}{message}"):
        unpack(data, "env")


def test_an_array_of_length_zero_may_be_as_long_in_other_axes_as_numpy_allows():
    largest = np.empty((0, 2**40, 2**20 - 1))
    assert unpack(pack("env", {}, {"x": largest}), "env")[1]["x"].shape == largest.shape
    with pytest.raises(ValueError, match="shape that numpy allows for array 'x', got one that is too large"):
        unpack(make_one(["x", "float64", [0, 2**40, 2**20]]), "env")


def test_an_array_may_have_all_axes_that_numpy_allows():
    array = np.zeros((1,) * 64, np.uint8)
    assert unpack(pack("env", {}, {"x": array}), "env")[1]["x"].shape == array.shape


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_unpack_refuses_data_when_any_byte_is_flipped_cut_or_inserted(draws):
    data = bytearray(DATA)
    for _ in range(draws.draw(st.integers(1, 3))):
        place = draws.draw(st.integers(0, len(data) - 1))
        kind = draws.draw(st.sampled_from(["flip", "cut", "drop", "insert"]))
        if kind == "flip":
            data[place] ^= draws.draw(st.integers(1, 255))
        elif kind == "cut":
            del data[max(1, place) :]
        elif kind == "drop":
            del data[place : place + draws.draw(st.integers(1, 9))]
        else:
            data[place:place] = draws.draw(st.binary(min_size=1, max_size=9))
        if not data:
            break
    assume(data != DATA)
    with pytest.raises(ValueError, match=r"^`data` must "):
        unpack(data, "env")


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_unpack_raises_nothing_but_value_errors_when_the_checksum_of_damaged_data_is_right(draws):
    data = bytearray(DATA)
    for _ in range(draws.draw(st.integers(1, 4))):
        place = draws.draw(st.integers(16, len(data) - 1))
        data[place : place + draws.draw(st.integers(0, 3))] = draws.draw(
            st.binary(max_size=4) | st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"9", b"-", b"e99", b"true"])
        )
        if len(data) < 33:
            break
    data[12:16] = struct.pack("<I", zlib.crc32(data[16:]))
    try:
        values, arrays = unpack(data, "env")
    except ValueError:
        return
    assert type(values) is dict
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    sum(array.sum() for array in arrays.values())  # all of their bytes can be read


@settings(max_examples=300, deadline=None)
@given(plain, st.lists(st.lists(plain, max_size=4), max_size=3), st.binary(max_size=64))
def test_unpack_raises_nothing_but_value_errors_when_the_header_is_any_json(values, descriptions, body):
    try:
        unpack(make({"kind": "env", "values": values, "arrays": descriptions}, body), "env")
    except ValueError:
        return
    assert type(values) is dict


TAKES = {
    "take_int": (
        lambda values, name: take_int(values, name, -3, 2**70),
        [-3, 0, 2**70],
        [-4, 2**70 + 1, True, 1.0, "1", None, []],
        "an integer from -3 to 1180591620717411303424",
    ),
    "take_bool": (take_bool, [True, False], [0, 1, None, "True", []], "True or False"),
    "take_str": (take_str, ["", "x"], [0, None, ["x"], {}], "a string"),
    "take_dict": (take_dict, [{}, {"y": 1}], [0, None, [], "{}"], "an object with values"),
}


@pytest.mark.parametrize("name", TAKES)
def test_a_value_is_taken_when_it_is_right_and_refused_otherwise(name):
    take, right, wrong, expected = TAKES[name]
    for value in right:
        assert take({"x": value}, "x") is value
    for value in wrong:
        message = f"`x` in the saved state must be {expected}, got {value!r}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            take({"x": value}, "x")
    with pytest.raises(ValueError, match=r"^`x` is missing in the saved state$"):
        take({"y": right[0]}, "x")


def test_an_array_is_taken_when_it_is_right_and_refused_otherwise():
    array = np.zeros((2, 3), np.int32)
    assert take_array({"x": array}, "x", np.int32, (2, 3)) is array
    for dtype, shape in [(np.int64, (2, 3)), (np.uint32, (2, 3)), (np.int32, (3, 2)), (np.int32, (6,))]:
        message = (
            f"`x` in the saved state must be a {np.dtype(dtype)} array of shape {shape}, got int32 of shape (2, 3)"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            take_array({"x": array}, "x", dtype, shape)
    with pytest.raises(ValueError, match=r"^`x` is missing in the saved state$"):
        take_array({}, "x", np.int32, (2, 3))


def draw_numbers(generator):
    """Draw numbers of each width."""
    words = [generator.integers(2**32, dtype=np.uint32) for _ in range(3)]
    return [*words, generator.random(), generator.random(dtype=np.float32), *generator.standard_normal(3)]


@pytest.mark.parametrize("bit_generator", BIT_GENERATORS)
@pytest.mark.parametrize("drawn", [0, 1, 2, 3, 700])
def test_a_generator_goes_on_alike_when_it_was_saved_as_values(bit_generator, drawn):
    generator = np.random.Generator(bit_generator(5))
    for _ in range(drawn):
        generator.integers(2**32, dtype=np.uint32)
    values, _ = unpack(pack("generator", generator_to_values(generator), {}), "generator")
    copy = generator_from_values(values)
    assert type(copy.bit_generator) is bit_generator
    assert generator_to_values(copy) == values
    assert draw_numbers(copy) == draw_numbers(generator)


def test_generator_to_values_changes_nothing():
    generator, twin = np.random.default_rng(3), np.random.default_rng(3)
    generator_to_values(generator)
    assert draw_numbers(generator) == draw_numbers(twin)


class Another(np.random.PCG64):
    """A bit generator that is not numpy's."""


@pytest.mark.parametrize(
    ("generator", "error", "message"),
    [
        (None, TypeError, "`generator` must be a numpy.random.Generator, got NoneType"),
        (np.random.RandomState(0), TypeError, "`generator` must be a numpy.random.Generator, got RandomState"),
        (np.random.PCG64(0), TypeError, "`generator` must be a numpy.random.Generator, got PCG64"),
        (
            np.random.Generator(Another(0)),
            ValueError,
            "`generator` must have a bit generator of PCG64, PCG64DXSM, MT19937, Philox, SFC64, got Another",
        ),
    ],
)
def test_generator_to_values_refuses_what_is_not_a_generator_of_numpy(generator, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        generator_to_values(generator)


def values_of(bit_generator):
    return generator_to_values(np.random.Generator(bit_generator(0)))


WRONG = [
    (np.random.PCG64, "bit_generator", "RANDU", "one of PCG64, PCG64DXSM, MT19937, Philox, SFC64, got 'RANDU'"),
    (np.random.PCG64, "bit_generator", 3, "a string, got 3"),
    (np.random.PCG64, "state", 2**128, f"an integer from 0 to {2**128 - 1}, got"),
    (np.random.PCG64, "inc", -1, f"an integer from 0 to {2**128 - 1}, got -1"),
    (np.random.PCG64DXSM, "has_uint32", 2, "an integer from 0 to 1, got 2"),
    (np.random.PCG64DXSM, "uinteger", 2**32, f"an integer from 0 to {2**32 - 1}, got {2**32}"),
    (np.random.MT19937, "pos", 625, "an integer from 0 to 624, got 625"),
    (np.random.MT19937, "pos", -1, "an integer from 0 to 624, got -1"),
    (np.random.MT19937, "key", "00" * 2495, "a string of 4992 hexadecimal digits, got '00"),
    (np.random.MT19937, "key", "0x" * 2496, "a string of 4992 hexadecimal digits, got '0x"),
    (np.random.MT19937, "key", [0] * 624, r"a string, got \[0, 0"),
    (np.random.Philox, "buffer_pos", 5, "an integer from 0 to 4, got 5"),
    (np.random.Philox, "buffer_pos", -1, "an integer from 0 to 4, got -1"),
    (np.random.Philox, "counter", " " * 64, "a string of 64 hexadecimal digits, got ' "),
    (np.random.Philox, "key", "\u0660" * 32, "a string of 32 hexadecimal digits, got "),
    (np.random.SFC64, "state", "0" * 65, "a string of 64 hexadecimal digits, got '000"),
    (np.random.SFC64, "state", 7, "a string, got 7"),
]


@pytest.mark.parametrize(("bit_generator", "name", "value", "message"), WRONG)
def test_generator_from_values_refuses_a_value_that_no_generator_has(bit_generator, name, value, message):
    with pytest.raises(ValueError, match=f"^`{name}` in the saved state must be {message}"):
        generator_from_values(values_of(bit_generator) | {name: value})


@pytest.mark.parametrize("bit_generator", BIT_GENERATORS)
def test_generator_from_values_raises_when_a_value_is_missing(bit_generator):
    values = values_of(bit_generator)
    for name in values:
        with pytest.raises(ValueError, match=f"^`{name}` is missing in the saved state$"):
            generator_from_values({other: value for other, value in values.items() if other != name})
