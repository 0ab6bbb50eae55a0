import itertools
import re
import threading

import gymnasium
import numpy as np
import pytest
from environments import SHORT, assert_same, cut_off
from interrupts import Interrupt
from vectors import NUM, OBSERVATION, make

from fastatari import InvalidAction
from fastatari.envs.vector import AtariVectorEnv

# What callers may not do. Nothing of it is seen by the environments.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "the closest is 'breakout'"),
        ({"game": "combat"}, ValueError, "`game` 'combat' is refused by ale-py"),
        ({"num_envs": 0}, ValueError, "`num_envs` must be at least 1, got 0"),
        ({"num_envs": -1}, ValueError, "`num_envs` must be at least 1, got -1"),
        ({"num_envs": 2.5}, TypeError, "`num_envs` must be an integer, got 2.5 of type float"),
        ({"num_envs": True}, TypeError, "`num_envs` must be an integer, got True of type bool"),
        ({"num_envs": None}, TypeError, "`num_envs` must be an integer, got None"),
        ({"num_envs": 10**15}, MemoryError, "not enough memory for the observations of 10{15} environments: .* bytes"),
        ({"num_threads": -1}, ValueError, "`num_threads` must be at least 0, got -1"),
        ({"num_threads": "2"}, TypeError, "`num_threads` must be an integer, got '2'"),
        ({"batch_size": 5}, ValueError, "`batch_size` must be from 1 to 4, got 5"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be from 1 to 4, got 0"),
        ({"autoreset_mode": "Sometimes"}, ValueError, r"`autoreset_mode` must be one of .*'NextStep'.*got 'Sometimes'"),
        ({"copy": 1}, TypeError, "`copy` must be True or False, got 1"),
        ({"episode_statistics": "no"}, TypeError, "`episode_statistics` must be True or False, got 'no'"),
        ({"info_ram": 0}, TypeError, "`info_ram` must be True or False, got 0"),
        ({"render_mode": "human"}, ValueError, "`render_mode` must be one of None, 'rgb_array', got 'human'"),
        ({"render_screen": None}, ValueError, "`render_screen` must be one of 'last', 'pooled', got None"),
        ({"console": "stella"}, ValueError, "`console` must be one of 'fastatari', 'ale', got 'stella'"),
        ({"preset": "sb4"}, ValueError, "`preset` must be one of .* got 'sb4'"),
        ({"frameskip": 4}, TypeError, "'frameskip'.*frame_skip"),
        ({"num_thread": 4}, TypeError, "'num_thread'.*num_threads"),
        ({"frame_skip": 0}, ValueError, "`frame_skip` must be at least 1, got 0"),
        ({"screen_size": (84,)}, TypeError, "`screen_size` must be a pair"),
        ({"screen_size": 200}, ValueError, r"`screen_size` must be at most \(160, 210\), got \(200, 200\)"),
        (
            {"num_workers": 2},
            TypeError,
            "'num_workers': it is gone, because .* threads .*: their number is `num_threads",
        ),
        ({"context": "fork"}, TypeError, "'context': it is gone, because .*, and no process is started"),
        ({"timeout": 60}, TypeError, "'timeout': it is gone, because .*, and no process can be late"),
        ({"start_timeout": 60}, TypeError, "'start_timeout': it is gone, because .*, and no process is started"),
        ({"restart_workers": True}, TypeError, "'restart_workers': it is gone, because .*, and no process can die"),
        ({"start_states": True}, TypeError, "'start_states': it is gone, because resets are as fast without"),
    ],
)
def test_bad_arguments_are_refused_before_a_thread_starts(arguments, error, message):
    before = threading.active_count()
    with pytest.raises(error, match=message):
        AtariVectorEnv(**{"game": "breakout", "num_envs": 4, **arguments})
    assert threading.active_count() == before


@pytest.fixture
def pair():
    """An environment and its twin for bad arguments, which have to leave it as it is."""
    env, twin = make(**SHORT), make(**SHORT)
    env.reset(seed=3), twin.reset(seed=3)
    yield env, twin
    env.close()


BAD_ACTIONS = [
    ([0, 1, 2], ValueError, r"`actions` must have shape \(4,\), one integer for each environment, got shape \(3,\)"),
    ([0] * 5, ValueError, r"got shape \(5,\)"),
    ([], ValueError, r"got shape \(0,\)"),
    (np.zeros((4, 1), int), ValueError, r"got shape \(4, 1\)"),
    ([[0, 1], [2]], ValueError, r"got \[\[0, 1\], \[2\]\]"),
    (1, TypeError, "`actions` must be a sequence of 4 integers, one for each environment, got 1"),
    (None, TypeError, "must be a sequence of 4 integers, one for each environment, got None"),
    ({0: 1}, TypeError, "must be a sequence of 4 integers"),
    ("0123", TypeError, "must be a sequence of 4 integers"),
    ([0.0, 1.0, 2.0, 3.0], TypeError, "`actions` must be integers, one for each environment, got dtype float64"),
    ([0, 1, 2, np.nan], TypeError, "got dtype float64"),
    ([True] * 4, TypeError, "got dtype bool"),
    ([0, 1, 2, None], TypeError, "got dtype object"),
    (list("0123"), TypeError, "got dtype <U1"),
    ([0, 1, 4, 0], InvalidAction, r"environment 2: action 4 is not in 0\.\.3, the actions of breakout: NOOP, FIRE"),
    ([0, -1, 9, 0], InvalidAction, r"environment 1: action -1 is not in 0\.\.3"),
    ([0, 0, 0, 2**63 - 1], InvalidAction, f"environment 3: action {2**63 - 1} is not in"),
    (np.array([0, 0, 2**64 - 1, 0], np.uint64), InvalidAction, f"environment 2: action {2**64 - 1} is not in"),
]


def test_bad_actions_are_refused_before_anything_is_sent(pair):
    env, twin = pair
    for actions, error, message in BAD_ACTIONS:
        for ask in (env.step, env.send):
            with pytest.raises(error, match=message):
                ask(actions)
        assert_same(env.step([1, 2, 3, 0]), twin.step([1, 2, 3, 0]))
    with pytest.raises(InvalidAction, match=r"environment 1: action 7 is not in 0\.\.3"):
        env.step([0, 7], env_id=[3, 1])
    assert_same(env.step([1, 2, 3, 0]), twin.step([1, 2, 3, 0]))


def test_bad_continuous_actions_are_refused_before_anything_is_sent():
    env, twin = make(continuous=True), make(continuous=True)
    env.reset(seed=3), twin.reset(seed=3)
    good = np.full((NUM, 3), 0.5, np.float32)
    bad = good.copy()
    bad[2, 0] = 2
    for actions, error, message in [
        (good[:3], ValueError, r"`actions` must have shape \(4, 3\), got shape \(3, 3\)"),
        ([1, 2, 3, 0], ValueError, r"`actions` must have shape \(4, 3\), got shape \(4,\)"),
        ([[0.5], [1, 2]], ValueError, r"`actions` must have shape \(4, 3\), got \[\[0.5\]"),
        (None, TypeError, r"`actions` must be floats of shape \(4, 3\), got None"),
        (bad, InvalidAction, r"environment 2: action \[2.0, 0.5, 0.5\] is not in the action space"),
    ]:
        with pytest.raises(error, match=message):
            env.step(actions)
        assert_same(env.step(good), twin.step(good.tolist()))


READ_ONLY = np.zeros((NUM, *OBSERVATION), np.uint8)
READ_ONLY.flags.writeable = False


BAD_PLACES = [
    ([0], TypeError, "`out` must be an array or have `__dlpack__`, got list"),
    (np.zeros((NUM, *OBSERVATION)), TypeError, "`out` must have dtype uint8, got float64"),
    (
        np.zeros((3, *OBSERVATION), np.uint8),
        ValueError,
        r"`out` must have shape \(4, 4, 84, 84\), got \(3, 4, 84, 84\)",
    ),
    (READ_ONLY, ValueError, "`out` must be writeable, got a read-only array"),
]


def test_a_bad_place_for_observations_is_refused(pair):
    env, twin = pair
    for out, error, message in BAD_PLACES:
        with pytest.raises(error, match=message):
            env.step([1, 2, 3, 0], out=out)
        env.send([1, 2, 3, 0])
        with pytest.raises(error, match=message):
            env.recv(out)
        assert_same(env.recv(), twin.step([1, 2, 3, 0]))


BAD_RESETS = [
    ({"seed": 1.5}, TypeError, "`seed` must be an integer, got 1.5"),
    ({"seed": True}, TypeError, "`seed` must be an integer, got True of type bool"),
    ({"seed": "1234"}, TypeError, "`seed` must be an integer, got '1234'"),
    ({"seed": {0: 1, 1: 2, 2: 3, 3: 4}}, TypeError, r"`seed` must be an integer, got \{0: 1"),
    ({"seed": -1}, ValueError, "`seed` must be at least 0, got -1"),
    ({"seed": [1, 2, 3]}, ValueError, "the length must match num_envs=4 but got length=3"),
    ({"seed": [1, 2, 3, -4]}, ValueError, "`seed` must be at least 0, got -4"),
    ({"seed": [1, 2, 3, 4.0]}, TypeError, "`seed` must be an integer, got 4.0"),
    ({"seed": [True] * 4}, TypeError, "`seed` must be an integer, got True"),
    ({"seed": np.array(1.0)}, TypeError, "`seed` must be an integer, got array"),
    ({"seed": np.ones((4, 1), int)}, TypeError, r"`seed` must be an integer, got \[1\]"),
    ({"seed": [1, 2], "env_id": [1]}, ValueError, r"the length must match len\(env_id\)=1 but got length=2"),
    ({"env_id": [9]}, ValueError, "`env_id` must be from 0 to 3, got 9"),
    ({"env_id": 1}, TypeError, "`env_id` must be a sequence of n integers, one for each environment, got 1"),
    ({"env_id": [True]}, TypeError, "`env_id` must be integers, one for each environment, got dtype bool"),
    ({"options": 7}, TypeError, "`options` must be a dict, got 7"),
    ({"options": {"mask": 1}}, ValueError, "`options` may hold 'reset_mask' and 'new_game', got 'mask'"),
    ({"options": {"new_game": None}}, TypeError, r"`options\['new_game'\]` must be True or False, got None"),
    ({"options": {"reset_mask": [True] * 4}}, TypeError, r"`options\['reset_mask'\]` must be a numpy array, got list"),
    ({"options": {"reset_mask": np.ones(4)}}, TypeError, "must have dtype bool, got float64"),
    ({"options": {"reset_mask": np.ones(3, bool)}}, ValueError, r"must have shape \(4,\), got \(3,\)"),
    ({"options": {"reset_mask": np.zeros(4, bool)}}, ValueError, "must have a True among its 4 values, got none"),
    (
        {"options": {"reset_mask": np.ones(4, bool)}, "env_id": [0]},
        ValueError,
        r"`env_id` and `options\['reset_mask'\]` must not be given both",
    ),
]


def test_bad_resets_are_refused(pair):
    env, twin = pair
    for arguments, error, message in BAD_RESETS:
        with pytest.raises(error, match=message):
            env.reset(**arguments)
        assert_same(env.step([1, 2, 3, 0]), twin.step([1, 2, 3, 0]))


def test_seeds_of_ale_py_have_31_bits():
    env = make(preset="ale")
    with pytest.raises(ValueError, match=f"`seed` must be below 2\\*\\*31 with `seeding` 'ale', got {2**31}"):
        env.reset(seed=2**31 - 2)
    env.reset(seed=2**31 - NUM)


def test_calls_out_of_turn_are_named():
    env, twin = make(render_mode="rgb_array"), make()
    for call in (lambda: env.step([0] * NUM), env.render, env.save_state, lambda: env.step([0], env_id=[2])):
        with pytest.raises(
            gymnasium.error.ResetNeeded, match=r"need a `reset` first: (0, 1, 2, 3|2)$|before calling `reset`"
        ):
            call()
    with pytest.raises(gymnasium.error.ResetNeeded, match="Cannot reset some environments before all were reset"):
        env.reset(options={"reset_mask": np.array([True, False, True, True])})
    with pytest.raises(gymnasium.error.NoAsyncCallError, match="Calling `recv` without any prior call to `send`"):
        env.recv()
    env.reset(seed=1), twin.reset(seed=1)
    with pytest.raises(gymnasium.error.NoAsyncCallError, match="Calling `recv` without any prior call to `send`"):
        env.recv()
    env.send([1, 2, 3, 0])
    text = "Calling `{}` while waiting for a pending call to `send` to complete."
    for name, call in {
        "step": lambda: env.step([0] * NUM),
        "send": lambda: env.send([0], env_id=[3]),
        "render": env.render,
        "reset": lambda: env.reset(options={"reset_mask": np.array([True, False, False, False])}),
    }.items():
        with pytest.raises(gymnasium.error.AlreadyPendingCallError, match=re.escape(text.format(name))):
            call()
    assert_same(env.recv(), twin.step([1, 2, 3, 0]))
    # A reset drops what was not received, of those that are reset.
    env.send([1, 2, 3, 0])
    assert_same(env.reset(seed=1), twin.reset(seed=1))
    assert_same(env.step([1, 2, 3, 0]), twin.step([1, 2, 3, 0]))
    env.send([1, 2, 3], env_id=[3, 1, 0])
    assert_same(env.reset(seed=5, env_id=[1, 2]), twin.reset(seed=5, env_id=[1, 2]))
    assert_same(env.recv(), twin.step([3, 1], env_id=[0, 3]))
    env.close()


def test_calls_out_of_turn_are_named_for_parts_of_a_batch():
    env = make(batch_size=2)
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"need a `reset` first: 0, 1$"):
        env.send([0, 0])
    _, infos = env.reset(seed=0)
    first = infos["env_id"]
    for actions, ids, error, message in [
        ([0], [9], ValueError, "`env_id` must be from 0 to 3, got 9"),
        ([0], [-1], ValueError, "`env_id` must be from 0 to 3, got -1"),
        ([0, 0], [first[0], first[0]], ValueError, r"`env_id` must name no environment twice, got \[0, 0\]"),
        ([0], [1.0], TypeError, "`env_id` must be integers, one for each environment, got dtype float64"),
        ([], [], ValueError, r"`env_id` must have shape \(n,\), one integer for each environment, got shape \(0,\)"),
        ([0, 0], [[0], [1, 2]], ValueError, r"`env_id` must have shape \(n,\), one integer for each environment, got"),
        ([0], 0, TypeError, "`env_id` must be a sequence of n integers, one for each environment, got 0"),
        ([0, 0], [first[0]], ValueError, r"`actions` must have shape \(1,\)"),
    ]:
        for ask in (env.send, env.step):
            with pytest.raises(error, match=message):
                ask(actions, env_id=ids)
    with pytest.raises(gymnasium.error.AlreadyPendingCallError, match="Calling `step` while waiting"):
        env.step([0], env_id=[3])  # whose reset is still to be received
    env.send([0, 0])
    with pytest.raises(gymnasium.error.AlreadyPendingCallError, match="Calling `send` while waiting"):
        env.send([0, 0])
    with pytest.raises(ValueError, match="needs a batch of all environments; say which by `env_id` instead"):
        env.reset(options={"reset_mask": np.ones(NUM, bool)})
    env.recv(), env.recv()
    with pytest.raises(gymnasium.error.NoAsyncCallError):
        env.recv()
    # A batch that is smaller where fewer were asked.
    env.send([1], env_id=[2])
    assert env.recv()[-1]["env_id"].tolist() == [2]
    env.close()


def test_a_finished_environment_needs_a_reset_where_nobody_else_does_it():
    env = make(autoreset_mode="Disabled", max_episode_steps=3)
    env.reset(seed=0)
    mask = np.array([True, False, False, True])
    env.step([0] * NUM)
    env.reset(options={"reset_mask": mask})
    env.step([0] * NUM)
    *_, truncated, _ = env.step([0] * NUM)
    assert truncated.tolist() == [False, True, True, False]
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"need a `reset` first: 1, 2$"):
        env.step([0] * NUM)
    env.reset(options={"reset_mask": truncated})
    env.step([0] * NUM)
    env.close()


@pytest.mark.parametrize("call", ["step", "send", "recv"])
def test_interrupted_calls_for_parts_of_a_batch_say_what_to_do(console, call):
    """At any line: the next call works, or says that it is not known who was received."""
    env, twin = make(batch_size=2, **SHORT), make(batch_size=2, **SHORT)
    expected = twin.reset(seed=1), twin.recv(), twin.step([1, 2], env_id=[2, 3])
    refusals = []
    for line in itertools.count(1, 1 if console == "fastatari" else 11):
        env.reset(seed=1), env.recv()
        if call == "recv":
            env.send([1, 2])
        calls = {"step": lambda: env.step([1, 2]), "send": lambda: env.send([1, 2]), "recv": env.recv}
        try:
            cut_off(calls[call], line)
            break
        except Interrupt:
            pass
        try:
            env.send([1, 2])
        except gymnasium.error.ResetNeeded as error:
            refusals.append(str(error))
        except gymnasium.error.AlreadyPendingCallError:
            assert env.recv()[-1]["env_id"].tolist() == [2, 3]
        assert_same((env.reset(seed=1), env.recv(), env.step([1, 2], env_id=[2, 3])), expected)
    assert line > 10
    text = r"It is not known which environments were received last, .* Call `recv` or `reset` first, or say which by"
    assert all(re.match(text, refusal) for refusal in refusals)
    assert bool(refusals) == (call != "send")


def test_a_bad_argument_of_a_close_closes_nothing():
    env = make()
    env.reset(seed=0)
    with pytest.raises(TypeError, match="timeout"):
        env.close(timeout=1)
    env.step([0] * NUM)


def test_nothing_works_after_a_close():
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    state = env.save_state()
    env.send([0] * NUM)
    for _ in range(3):
        env.close()
    assert env.closed
    for call in (
        env.reset,
        env.recv,
        env.render,
        env.save_state,
        env.get_action_meanings,
        lambda: env.step([0] * NUM),
        lambda: env.send([0] * NUM),
        lambda: env.load_state(state),
        lambda: env.call("ale"),
        lambda: env.set_attr("np_random", []),
    ):
        with pytest.raises(
            gymnasium.error.ClosedEnvironmentError, match="Trying to operate on `AtariVectorEnv`, after"
        ):
            call()
    with make() as other:
        other.reset()
    assert other.closed
