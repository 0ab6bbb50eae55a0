"""`Beside`: an environment, or the twin of all rules, compared with the real package of a preset in every step."""

import importlib.util

import numpy as np

from fastatari.cli.packages import PEERS


def make_package(preset, game, **fields):
    """Return the real package of a preset, made from fields of the rules; None if it is not installed."""
    if any(importlib.util.find_spec(module) is None for module in PEERS[preset].modules):
        return None
    return PEERS[preset].make(game, **fields)


def find_ale(package):
    """Return ale-py's `ALEInterface` of a package; ale-py's vector environment and envpool show none."""
    for name in ("_game", "_watch", "_env"):
        if hasattr(package, name):
            holder = getattr(package, name)
            return getattr(holder, "env", holder).unwrapped.ale
    raise AttributeError(f"{type(package).__name__} shows no emulator")


class Beside:
    """Plays two sides, and compares each reset and step.

    Args:
        mine: `AtariEnv` or `NaiveEnv`; what both of them have is used.
        package (Package): the real one.

    Attributes:
        is_over (bool): whether the episode is over.
        steps (list[tuple]): reward, terminated, truncated and info of each step.
        resets (list[dict]): info of each reset.
    """

    def __init__(self, mine, package):
        self.mine, self.package = mine, package
        self.is_over, self.steps, self.resets = True, [], []

    def reset(self, seed=None, **kwargs):
        """Reset both; further arguments are for mine alone."""
        observation, info = self.mine.reset(seed=seed, **kwargs)
        self._compare((observation, 0.0, False, False, info), self.package.reset(seed))
        self.is_over = False
        self.resets.append(info)
        return info

    def step(self, action):
        """Play a step of both."""
        step = self.mine.step(action)
        self._compare(step, self.package.step(action))
        _, *values, info = step
        is_reported_only = self.mine.rules.life_loss == "report" and not info["game_over"]
        self.is_over = (step[2] or step[3]) and not is_reported_only
        self.steps.append((*values, info))
        return *values, info

    def play(self, draw, steps, seed=0, most_resets=30):
        """Play random actions; return how many episodes ended."""
        self.reset(seed)
        mine = self.mine
        meanings = mine.action_meanings if hasattr(mine, "action_meanings") else mine.get_action_meanings()
        ends = 0
        for _ in range(steps):
            if self.is_over:
                ends += 1
                if ends > most_resets:
                    break
                self.reset()
            self.step(draw.randrange(len(meanings)))
        return ends

    def _compare(self, mine, theirs):
        observation, reward, terminated, truncated, info = mine
        if theirs.observation is not None:
            assert observation.shape == theirs.observation.shape
            assert np.array_equal(observation, theirs.observation), (len(self.resets), len(self.steps))
        assert reward == theirs.reward
        assert (terminated or (theirs.truncated is None and truncated)) == theirs.terminated
        assert theirs.truncated in {truncated, None}
        assert theirs.lives in {info["lives"], None}
        assert theirs.episode_frame_number in {info["episode_frame_number"], None}
