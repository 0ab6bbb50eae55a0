"""What `AtariEnv`, `AtariVectorEnv` and `Game` promise alike: one suite over all of them."""

import copy
import doctest
import functools
import importlib
import itertools
import pickle
import re
import threading

import gymnasium
import numpy as np
import pytest
from environments import assert_same, cut_off
from interrupts import Interrupt

from fastatari import InvalidAction
from fastatari.engine.interface import CONSOLES
from fastatari.envs.env import AtariEnv
from fastatari.envs.game import Game
from fastatari.envs.vector import AtariVectorEnv


class Subject:
    """An environment by its common calls: `reset` and `step` return all that they give, observations first."""

    def __init__(self, game="breakout", **fields):
        self.made = self.make(game, **fields)

    def reset(self, seed=3):
        return self.made.reset(seed=seed)

    def step(self, action):
        return self.made.step(action)

    def is_over(self, results):
        return bool(results[2] or results[3])


class SingleEnv(Subject):
    def make(self, game, **fields):
        return AtariEnv(game, **{"max_num_frames_per_episode": 211} | fields)

    def ale(self):
        return self.made.unwrapped.ale


class VectorEnv(Subject):
    """Two environments, of which the first plays the action asked for."""

    mode = "NextStep"

    def make(self, game, **fields):
        return AtariVectorEnv(game, 2, autoreset_mode=self.mode, **{"max_num_frames_per_episode": 211} | fields)

    def step(self, action):
        return self.made.step([action, 1])

    def is_over(self, results):
        return False

    def ale(self):
        return self.made.get_attr("ale")[0]


class SameStepVectorEnv(VectorEnv):
    mode = "SameStep"


class PartsOfVectorEnv(VectorEnv):
    """Two environments, of which the first alone plays."""

    def step(self, action):
        return self.made.step([action], env_id=[0])


class LabmlGame(Subject):
    def make(self, game, **fields):
        return Game(0, game=game, **fields)

    def reset(self, seed=3):
        return (self.made.reset(),)

    def is_over(self, results):
        return False

    def ale(self):
        return self.made.ale


SUBJECTS = [SingleEnv, VectorEnv, SameStepVectorEnv, PartsOfVectorEnv, LabmlGame]


@pytest.fixture(params=SUBJECTS, ids=lambda subject: subject.__name__)
def make(request):
    return request.param


def play(subject, steps, seed=3, first=True):
    """Play at random; return all that comes out."""
    rng = np.random.default_rng(0)
    results = [subject.reset(seed)] if first else []
    for action in rng.integers(4, size=steps):
        results.append(subject.step(int(action)))
        if subject.is_over(results[-1]):
            results.append(subject.reset(None))
    return results


def assert_all_same(played, expected):
    assert len(played) == len(expected)
    for mine, theirs in zip(played, expected, strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("rom", ["breakout", "qbert", "air_raid"])
def test_environments_play_the_same_on_both_consoles(make, rom):
    mine, theirs = (make(rom, console=each) for each in CONSOLES)
    assert_all_same(play(mine, 90), play(theirs, 90))
    assert_all_same(play(mine, 20, None), play(theirs, 20, None))


def test_environments_play_the_same_again_from_a_seed(make):
    first, second = make(), make()
    play(second, 33, seed=8)
    assert_all_same(play(first, 60), play(second, 60))


def test_observations_stay_what_they_are(make):
    subject, twin = make(), make()
    kept = [results[0] for results in play(subject, 80)]
    copies = [results[0].copy() for results in play(twin, 80)]
    assert all(map(np.array_equal, kept, copies))


def test_observations_can_be_written_to(make):
    """Nothing that comes later is seen, through whatever view."""
    subject, expected = make(), play(make(), 60)
    rng = np.random.default_rng(0)
    results, kept = [subject.reset()], []
    for step, action in enumerate(rng.integers(4, size=60)):
        assert_same(results[-1], expected[len(results) - 1])
        observation = results[-1][0]
        results[-1] = None
        kept.append([observation[..., ::2].T, memoryview(observation)[0:1], None][step % 3])
        if step % 3 == 2:
            observation[:] = step
        del observation
        before = [None if each is None else bytes(each) for each in kept]
        results.append(subject.step(int(action)))
        assert before == [None if each is None else bytes(each) for each in kept]
        if subject.is_over(results[-1]):
            results.append(subject.reset(None))


def test_observations_are_aligned_to_64_bytes(make):
    kept = [results[0] for results in play(make(), 40)]
    assert all(array.ctypes.data % 64 == 0 for array in kept)


def test_step_needs_a_reset(make):
    subject = make()
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"Cannot call `step` before|need a `reset` first"):
        subject.step(0)
    subject.reset()
    subject.step(0)


def test_nothing_works_after_a_close(make):
    subject = make()
    subject.reset()
    subject.step(0)
    for _ in range(2):
        subject.made.close()
    for call in (subject.reset, lambda: subject.step(0), subject.ale):
        with pytest.raises(gymnasium.error.ClosedEnvironmentError, match=r"after a call to `close\(\)`"):
            call()


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (4, InvalidAction, r"action 4 is not in 0\.\.3, the actions of breakout: NOOP, FIRE, RIGHT, LEFT"),
        (-1, gymnasium.error.InvalidAction, r"action -1 is not in 0\.\.3"),
        (np.int64(17), ValueError, r"action 17 is not in 0\.\.3"),
        (2**63, InvalidAction, r"action 9223372036854775808 is not in 0\.\.3"),
        (1.0, TypeError, "must be an? integers?, .*(got 1.0 of type float|got dtype float64)"),
        (np.float32(1), TypeError, r"must be an? integers?, .*(got np.float32\(1.0\)|got dtype float)"),
        (float("nan"), TypeError, "must be an? integers?, .*got (nan|dtype float64)"),
        ("1", TypeError, "must be an? integers?, .*got ('1'|dtype)"),
        (None, TypeError, "must be an? integers?, .*got (None|dtype object)"),
        (np.array([1, 2]), (TypeError, ValueError), "must be an integer, got array|must have shape"),
    ],
)
def test_bad_actions_change_nothing(make, action, error, message):
    subject, twin = make(), make()
    subject.reset(), twin.reset()
    for good in [1, 2, 3] * 2:
        with pytest.raises(error, match=message.replace("an? integers?", "(an integer|integers)")):
            subject.step(action)
        assert_same(subject.step(good), twin.step(good))


@pytest.mark.parametrize("action", [True, np.bool_(True)])
def test_booleans_are_no_actions(action):
    """A vector environment's actions are an array: among integers, booleans are some."""
    for make in (SingleEnv, PartsOfVectorEnv, LabmlGame):
        subject = make()
        subject.reset()
        with pytest.raises(
            TypeError, match=r"must be an integer, got (True|np.True_)|must be integers, .*got dtype bool"
        ):
            subject.step(action)


@pytest.mark.parametrize("action", [1, np.int32(1), np.int64(1), np.uint8(1), np.array(1)])
def test_integers_of_any_type_are_actions(make, action):
    subject, twin = make(), make()
    subject.reset(), twin.reset()
    assert_same(subject.step(action), twin.step(1))


@pytest.mark.parametrize("call", ["reset", "step"])
@pytest.mark.parametrize(("make", "rom"), [*((each, "breakout") for each in SUBJECTS), (LabmlGame, "venture")])
def test_interrupted_calls_leave_an_environment_that_works_or_needs_a_reset(console, make, rom, call):
    """At any line, on ale-py's slow console at every eleventh. What follows a reset is right, too."""
    subject, expected = make(rom), play(make(rom), 3)
    subject.reset()
    function = subject.reset if call == "reset" else functools.partial(subject.step, 0)
    cuts, refusals = 0, []
    for line in itertools.count(1, 1 if console == "fastatari" else 11):
        try:
            cut_off(function, line)
            break
        except Interrupt:
            cuts += 1
        try:
            if subject.is_over(subject.step(0)):
                continue
        except gymnasium.error.ResetNeeded as error:
            refusals.append(str(error))
        assert_all_same(play(subject, 3), expected)
    assert cuts > len(refusals)
    assert all(re.match("Cannot (step environments|call `step` before)", refusal) for refusal in refusals)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda each: pickle.loads(pickle.dumps(each))])
@pytest.mark.parametrize("steps", [None, 0, 40])
def test_copies_go_on_by_themselves(make, steps, duplicate):
    subject = make()
    if steps is not None:
        play(subject, steps)
    copied = copy.copy(subject)
    copied.made = duplicate(subject.made)
    assert type(copied.made) is type(subject.made)
    if steps is not None:
        assert_same(copied.step(1), subject.step(1))
    assert_all_same(play(copied, 60), play(subject, 60))
    assert_same(copied.reset(None), subject.reset(None))


def test_copies_of_closed_environments_are_closed(make):
    subject = make()
    subject.reset()
    subject.made.close()
    copied = make()
    copied.made = copy.deepcopy(subject.made)
    with pytest.raises(gymnasium.error.ClosedEnvironmentError):
        copied.reset()


def test_the_emulator_shows_the_console(make):
    subject = make("seaquest")
    results = subject.reset()
    for action in [1, 5, 11, 3] * 3:
        ale = subject.ale()
        assert ale.getRAM().shape == (128,)
        assert ale.getRAM().any()
        assert ale.lives() == (
            subject.made.lives if isinstance(subject, LabmlGame) else np.ravel(results[-1]["lives"])[0]
        )
        assert ale.getScreenRGB().shape == (210, 160, 3)
        results = subject.step(action)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"game": "brakeout"}, ValueError, "`game` 'brakeout' is not a game of ale-py .*; the closest is 'breakout'"),
        ({"game": "joust"}, ValueError, "`game` 'joust' is refused by ale-py .*: it has no mode for one player"),
        ({"game": None}, TypeError, "`game` must be a string, got None"),
        ({"console": "stella"}, ValueError, "`console` must be one of 'fastatari', 'ale', got 'stella'"),
    ],
)
def test_bad_arguments_are_refused(make, arguments, error, message):
    with pytest.raises(error, match=message):
        make(**arguments)


def test_a_rom_file_that_is_not_there_or_not_it_is_an_os_error(make, bad_roms):
    with pytest.raises(OSError, match=bad_roms):
        make()


@pytest.mark.parametrize("game", ["Seaquest", "ALE/Seaquest-v5", "SeaquestNoFrameskip-v4", "fastatari/Seaquest-v0"])
def test_games_have_many_names(make, game):
    assert_same(make(game).reset(), make("seaquest").reset())


def test_environments_live_side_by_side_and_in_threads(make):
    expected = play(make(), 30)
    results = {}

    def run(number):
        results[number] = play(make(), 30)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number in range(3):
        assert_all_same(results[number], expected)


@pytest.mark.parametrize("name", ["env", "vector", "game"])
def test_examples_give_what_they_say(name):
    module = importlib.import_module(f"fastatari.envs.{name}")
    outcome = doctest.testmod(module)
    assert outcome.attempted > 4
    assert not outcome.failed
