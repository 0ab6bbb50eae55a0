"""What JAX does with environments: no copy of observations, and steps within `jit` and `scan`."""

import numpy as np
import pytest

from fastatari import AtariVectorEnv
from fastatari.adapters import envpool

pytest.importorskip("jax")
import jax
import jax.numpy as jnp
from jax.experimental import io_callback


def place(array):
    """Return the address of an array of JAX's."""
    return array.addressable_shards[0].data.unsafe_buffer_pointer()


@pytest.mark.parametrize("scale_obs", [False, True])
def test_jax_takes_observations_without_a_copy(scale_obs):
    with AtariVectorEnv("breakout", 3, scale_obs=scale_obs) as env:
        observations, _ = env.reset(seed=1)
        kept = []
        for action in (1, 2, 3, 0) * 3:
            for taken in (jax.device_put(observations), jnp.from_dlpack(observations)):
                assert place(taken) == observations.ctypes.data
            kept.append((taken, observations.copy()))
            observations, *_ = env.step(jnp.full(3, action))  # an array of JAX's is an action too
        for taken, expected in kept:  # they stay what they were
            assert np.array_equal(np.asarray(taken), expected)


def test_jax_steps_environments_in_jit_and_scan():
    num_envs, steps = 2, 30
    env, twin = (AtariVectorEnv("breakout", num_envs, preset="sb3") for _ in range(2))
    first, _ = env.reset(seed=4)
    expected, _ = twin.reset(seed=4)
    shapes = (
        jax.ShapeDtypeStruct(first.shape, jnp.uint8),
        jax.ShapeDtypeStruct((num_envs,), jnp.float32),
        jax.ShapeDtypeStruct((num_envs,), jnp.bool_),
    )

    def play(actions):
        observations, rewards, terminated, truncated, _ = env.step(np.asarray(actions))
        return observations, rewards.astype(np.float32), terminated | truncated

    @jax.jit
    def rollout(observations, key):
        def body(carry, _):
            observations, key = carry
            key, draw = jax.random.split(key)
            actions = jax.random.randint(draw, (num_envs,), 0, 4)
            observations, rewards, dones = io_callback(play, shapes, actions, ordered=True)
            return (observations, key), (actions, rewards, dones, observations)

        return jax.lax.scan(body, (observations, key), None, steps)[1]

    actions, rewards, dones, observations = map(np.asarray, rollout(first, jax.random.PRNGKey(0)))
    for step in range(steps):
        expected, reward, terminated, truncated, _ = twin.step(actions[step])
        assert np.array_equal(observations[step], expected)
        assert np.array_equal(rewards[step], reward)
        assert np.array_equal(dones[step], terminated | truncated)
    env.close(), twin.close()


@pytest.mark.parametrize(("num_envs", "batch_size"), [(3, 3), (4, 2)])
def test_jax_steps_by_envpools_xla_are_those_of_envpools_api(num_envs, batch_size):
    arguments = {"num_envs": num_envs, "batch_size": batch_size, "seed": 2, "num_threads": 1}
    env, twin = (envpool.make_gymnasium("Breakout-v5", **arguments) for _ in range(2))
    env.async_reset(), twin.async_reset()
    handle, recv, send, step = env.xla()

    @jax.jit
    def rollout(handle):
        handle, states = recv(handle)

        def body(carry, _):
            handle, states = carry
            env_id = states[4]["env_id"]
            handle, states = step(handle, states[4]["elapsed_step"] % 4, env_id)
            return (handle, states), states

        return jax.lax.scan(body, (handle, states), None, 30)

    (handle, _), states = rollout(handle)
    assert handle.dtype == np.uint8
    seen = [{}, {}]
    infos = twin.recv()[4]
    for k in range(30):
        twin.send(infos["elapsed_step"] % 4, infos["env_id"])
        *rows, infos = twin.recv()
        mine = jax.tree.map(lambda array, k=k: np.asarray(array[k]), states)
        for store, (observations, rewards, *_, info) in zip(seen, (mine, (*rows, infos)), strict=True):
            for row, i in enumerate(info["env_id"].tolist()):
                key = i, int(info["elapsed_step"][row])
                store[key] = observations[row].tobytes(), float(rewards[row]), info["ram"][row].tobytes()
    common = seen[0].keys() & seen[1].keys()
    assert len(common) > 40
    assert all(seen[0][key] == seen[1][key] for key in common)
    assert send(handle, np.zeros(batch_size, np.int32), infos["env_id"]).dtype == np.uint8
    env.close(), twin.close()
