"""`VectorTwin`, the slow twin of `AtariVectorEnv`, and what the tests of vector environments have in common."""

import functools

import numpy as np
from environments import SHORT, assert_same
from gymnasium.vector import AutoresetMode

from fastatari.engine.results import EPISODE_FIELDS, INFO_FIELDS, RAM
from fastatari.envs.env import AtariEnv
from fastatari.envs.vector import AtariVectorEnv

NUM = 4
STEPS = 110
MODES = list(AutoresetMode)
OBSERVATION = (4, 84, 84)

make = functools.partial(AtariVectorEnv, "breakout", NUM)


def actions_for(env, steps=STEPS):
    return np.random.default_rng(0).integers(env.single_action_space.n, size=(steps, env.num_envs))


def go_on(env, steps=STEPS):
    """Return all that a vector environment gives; those that nobody resets are reset when they have to."""
    results = []
    for actions in actions_for(env, steps):
        results.append(env.step(actions))
        mask = results[-1][2] | results[-1][3]
        if env.metadata["autoreset_mode"] == AutoresetMode.DISABLED and mask.any():
            results.append(env.reset(options={"reset_mask": mask}))
    return results


def play(env, steps=STEPS, seed=3):
    return [env.reset(seed=seed), *go_on(env, steps)]


class VectorTwin:
    """`AtariVectorEnv` as a list of `AtariEnv`, with infos from the table of fields."""

    def __init__(self, mode, num=NUM, game="breakout", **fields):
        self.mode = AutoresetMode(mode)
        self.envs = [AtariEnv(game, **fields) for _ in range(num)]
        self.num_envs, self.single_action_space = num, self.envs[0].action_space
        self.metadata = {"autoreset_mode": self.mode}
        self.has_statistics, self.has_ram = fields.get("episode_statistics"), fields.get("info_ram")
        self.is_over = [False] * num
        self.shown = [None] * num

    def reset(self, seed=None, options=None):
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        infos = [None] * self.num_envs
        for index, env in enumerate(self.envs):
            if mask[index]:
                self.shown[index], infos[index] = env.reset(seed=None if seed is None else seed + index)
                self.is_over[index] = False
        return np.array(self.shown), self.collect([info and ("reset", info) for info in infos])

    def step(self, actions):
        rows, finals = [], []
        for index, (env, action) in enumerate(zip(self.envs, actions, strict=True)):
            final, kind = None, "step"
            if self.is_over[index] and self.mode == AutoresetMode.NEXT_STEP:
                (observation, info), rest, kind = env.reset(), (0.0, False, False), "reset"
                self.is_over[index] = False
            else:
                observation, *rest, info = env.step(action)
                self.is_over[index] = rest[1] or rest[2]
                if self.is_over[index] and self.mode == AutoresetMode.SAME_STEP:
                    final, kind = (observation, info), "reset"
                    observation, info = env.reset()
            rows.append((observation, *rest, (kind, info)))
            finals.append(final)
        observations, rewards, terminated, truncated, infos = (list(column) for column in zip(*rows, strict=True))
        collected = self.collect(infos)
        if any(final is not None for final in finals):
            self.add_finals(collected, finals)
        self.shown = observations
        return np.array(observations), np.array(rewards), np.array(terminated), np.array(truncated), collected

    def collect(self, infos, is_final=False):
        """Infos of each environment, as arrays with masks."""
        collected = {}
        for field in (*INFO_FIELDS, *([RAM] if self.has_ram else [])):
            values = np.zeros((self.num_envs, *field.shape), field.dtype)
            mask = np.array([bool(info) and field.when in ("always", info[0]) for info in infos])
            for index in np.flatnonzero(mask):
                values[index] = infos[index][1][field.name]
            collected[field.name], collected[f"_{field.name}"] = values, mask
        if self.has_statistics:
            mask = np.array([bool(info) and "episode" in info[1] for info in infos])
            collected["episode"], collected["_episode"] = {}, mask
            for field in EPISODE_FIELDS:
                values = [info[1]["episode"][field.name] if has else 0 for info, has in zip(infos, mask, strict=True)]
                collected["episode"] |= {field.name: np.array(values, field.dtype), f"_{field.name}": mask}
        if not is_final:
            collected |= {"env_id": np.arange(self.num_envs), "_env_id": np.ones(self.num_envs, bool)}
        return collected

    def add_finals(self, collected, finals):
        observations, mask = np.full(self.num_envs, None, object), np.array([final is not None for final in finals])
        for index in np.flatnonzero(mask):
            observations[index] = finals[index][0]
        infos = self.collect([final and ("step", final[1]) for final in finals], is_final=True)
        collected |= {"final_obs": observations, "_final_obs": mask, "final_info": infos, "_final_info": mask}


@functools.cache
def play_twin(console, mode, seed=3, **fields):
    results = play(VectorTwin(mode, console=console, **fields, **SHORT), seed=seed)
    assert sum(int(result[2].sum() + result[3].sum()) for result in results if len(result) > 2) > 4
    return results


def assert_is_twin(env, expected, seed=3):
    for mine, theirs in zip(play(env, seed=seed), expected, strict=True):
        assert_same(mine, theirs)
