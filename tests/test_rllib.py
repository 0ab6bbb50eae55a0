"""`adapters.rllib` in RLlib, which needs an environment of its own, because it pins gymnasium."""

import warnings

import numpy as np
import pytest
from gymnasium import spaces

import fastatari

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own
    pytest.importorskip("ray.rllib")
    import ray
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode

    from fastatari.adapters import rllib

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    rllib.register()
    yield
    ray.shutdown()


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
def test_rllib_trains_in_remote_runners(cluster, mode):
    config = (
        PPOConfig()
        .environment("fastatari/Breakout-v0", env_config={"preset": "sb3", "screen_size": 42})
        .env_runners(
            num_env_runners=1,
            num_envs_per_env_runner=2,
            gym_env_vectorize_mode=mode,
            rollout_fragment_length=16,
            env_to_module_connector=lambda *_, **__: rllib.ScaleObservations(),
        )
        .training(
            train_batch_size_per_learner=32,
            minibatch_size=32,
            num_epochs=1,
            learner_connector=lambda *_, **__: rllib.ScaleObservations(as_learner_connector=True),
        )
        .rl_module(model_config={"conv_filters": [[8, 8, 4], [16, 4, 2]]})
    )
    algorithm = config.build_algo()
    result = algorithm.train()
    assert result["env_runners"]["num_env_steps_sampled"] >= 32
    kinds = algorithm.env_runner_group.foreach_env_runner(
        lambda runner: (
            type(runner.env.unwrapped).__name__,
            runner.sample(num_timesteps=8)[0].get_observations(-1).dtype,
        ),
        local_env_runner=False,
    )
    expected = "AtariVectorEnv" if mode == "vector_entry_point" else "SyncVectorEnv"
    assert kinds == [(expected, np.uint8)]
    algorithm.stop()


def test_rllib_networks_get_what_episodes_hold_scaled():
    episode = SingleAgentEpisode()
    observations = np.random.default_rng(0).integers(256, size=(3, 4, 4, 2)).astype(np.uint8)
    episode.add_env_reset(observations[0])
    for observation in observations[1:]:
        episode.add_env_step(observation, 0, 0.0)
    batch = rllib.ScaleObservations()(rl_module=None, batch={}, episodes=[episode], shared_data={})
    (given,) = batch["obs"].values()
    assert given[0].dtype == np.float32
    assert np.array_equal(given[0], observations[-1] / np.float32(255))
    learned = rllib.ScaleObservations(as_learner_connector=True)(
        rl_module=None, batch={}, episodes=[episode], shared_data={}
    )
    (given,) = learned["obs"].values()
    assert np.array_equal(given, observations[:-1] / np.float32(255))
    assert episode.get_observations(-1).dtype == np.uint8
    space = rllib.ScaleObservations().recompute_output_observation_space(spaces.Box(0, 255, (4, 4, 2), np.uint8), None)
    assert space == spaces.Box(0.0, 1.0, (4, 4, 2), np.float32)


def test_rllib_environments_follow_the_cpus_of_their_process(cluster):
    @ray.remote
    def find():
        env = rllib.make_env("breakout", {"num_envs": 4})
        return env.num_threads, env.single_observation_space.shape, env.autoreset_mode.name

    assert ray.get(find.options(num_cpus=1).remote()) == (0, (84, 84, 4), "NEXT_STEP")
    assert ray.get(find.options(num_cpus=2).remote())[0] == 2
    assert rllib.find_num_threads() is None  # the driver is not Ray's


def test_rllib_environments_refuse_other_modes():
    for mode in ("SameStep", "Disabled"):
        with pytest.raises(ValueError, match="`autoreset_mode` must be NEXT_STEP in RLlib, got"):
            rllib.make_env("breakout", {"num_envs": 2, "autoreset_mode": mode})
    env = rllib.make_env("breakout", {"preset": "sb3", "stack_axis": 0})
    assert type(env) is fastatari.AtariEnv
    assert env.observation_space.shape == (4, 84, 84)
