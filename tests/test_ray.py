"""`adapters.ray_vector` on a cluster of one node, and on one of several."""

import os
import signal
import time
import warnings

import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, ClosedEnvironmentError, NoAsyncCallError, ResetNeeded

from fastatari import AtariVectorEnv
from fastatari.errors import InvalidAction

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own
    pytest.importorskip("ray")
    import ray

    from fastatari.adapters.ray_vector import RayVectorEnv

pytestmark = pytest.mark.filterwarnings("ignore")
SHORT = {"max_num_frames_per_episode": 200}
NUM, SIZE = 6, 3


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def make(cluster):
    made = []

    def make_env(**arguments):
        made.append(RayVectorEnv("breakout", NUM, **{"envs_per_actor": SIZE, "step_timeout": 5, **SHORT, **arguments}))
        return made[-1]

    yield make_env
    for env in made:
        env.close()


def assert_same(mine, theirs, where=""):
    if isinstance(theirs, dict):
        mine = {name: value for name, value in mine.items() if name.removeprefix("_") != "restarted"}
        assert list(mine) == list(theirs), where
        for name in theirs:
            assert_same(mine[name], theirs[name], (where, name))
    elif isinstance(theirs, tuple):
        for one, other in zip(mine, theirs, strict=True):
            assert_same(one, other, where)
    else:
        assert mine.dtype == theirs.dtype, where
        assert np.array_equal(mine, theirs), where


def find_pid(group):
    """Return the process of a group's actor."""
    return ray.get(group.actor.__ray_call__.remote(lambda _: os.getpid()))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"preset": "sb3", "episode_statistics": False},
        {"preset": "envpool", "life_loss": "continue", "max_episode_steps": 40},
        {"grayscale_obs": False, "stack_axis": -1, "stack_num": 3},
        {"scale_obs": True, "screen_size": 42},
        {"obs_type": "ram", "stack_num": 2},
    ],
    ids=str,
)
def test_ray_gives_what_one_process_gives(make, fields):
    env, twin = make(**fields), AtariVectorEnv("breakout", NUM, **SHORT, **fields)
    assert (env.observation_space, env.action_space) == (twin.observation_space, twin.action_space)
    assert_same(env.reset(seed=3), twin.reset(seed=3), "reset")
    rng = np.random.default_rng(0)
    ends = 0
    for step in range(90):
        actions = rng.integers(4, size=NUM)
        expected = twin.step(actions)
        assert_same(env.step(actions), expected, step)
        ends += int((expected[2] | expected[3]).sum())
        if step == 60:
            assert_same(env.reset(options={"new_game": True}), twin.reset(options={"new_game": True}))
    assert ends > 3
    twin.close()


def test_ray_batches_hold_those_that_are_ready(make):
    env, twin = make(batch_size=SIZE), AtariVectorEnv("breakout", NUM, **SHORT)
    observations, _ = env.reset(seed=3)
    expected, _ = twin.reset(seed=3)
    assert np.array_equal(observations, expected)
    played = {i: [] for i in range(NUM)}
    env.send(np.arange(NUM) % 4, np.arange(NUM))
    for _ in range(60):
        observations, rewards, _, _, infos = env.recv()
        assert len(observations) == SIZE
        for row, i in enumerate(infos["env_id"].tolist()):
            played[i].append((observations[row].tobytes(), float(rewards[row])))
        env.send(infos["env_id"] % 4)
    for step in range(min(map(len, played.values()))):
        observations, rewards, *_ = twin.step(np.arange(NUM) % 4)
        for i in range(NUM):
            assert played[i][step] == (observations[i].tobytes(), float(rewards[i])), (step, i)
    assert min(map(len, played.values())) > 10


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP])
def test_ray_goes_on_where_an_actor_is_lost(make, signal_number):
    env, twin = make(checkpoint_steps=7, step_timeout=2), AtariVectorEnv("breakout", NUM, **SHORT)
    assert_same(env.reset(seed=5), twin.reset(seed=5))
    stopped = []
    told = np.zeros(NUM, int)
    for step in range(40):
        if step in (3, 18):
            victim = env._groups[step % 2]
            stopped.append(find_pid(victim))
            os.kill(stopped[-1], signal_number)
        actions = np.full(NUM, step % 4)
        results = env.step(actions)
        assert_same(results, twin.step(actions), step)
        told += results[-1]["restarted"]
    assert told.tolist() == [1] * NUM
    for pid in stopped:  # nobody is left behind
        deadline = time.monotonic() + 20
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not os.path.exists(f"/proc/{pid}")


def test_ray_begins_new_episodes_where_that_is_asked_for(make):
    env, twin = make(on_loss="reset"), AtariVectorEnv("breakout", NUM, **SHORT)
    env.reset(seed=5), twin.reset(seed=5)
    for _ in range(5):
        env.step([1] * NUM), twin.step([1] * NUM)
    os.kill(find_pid(env._groups[1]), signal.SIGKILL)
    observations, *_, infos = env.step([2] * NUM)
    assert infos["restarted"].tolist() == [False] * SIZE + [True] * SIZE
    assert infos["_noops"].tolist() == [False] * SIZE + [True] * SIZE
    expected, *_ = twin.step([2] * NUM)
    assert np.array_equal(observations[:SIZE], expected[:SIZE])
    assert (infos["episode_frame_number"][SIZE:] < 35).all()
    assert not env.step([0] * NUM)[-1]["restarted"].any()


def test_ray_replaces_an_actor_that_is_lost_in_a_reset(make):
    env, twin = make(), AtariVectorEnv("breakout", NUM, **SHORT)
    os.kill(find_pid(env._groups[0]), signal.SIGKILL)
    observations, infos = env.reset(seed=2)
    assert np.array_equal(observations, twin.reset(seed=2)[0])
    assert infos["restarted"].tolist() == [True] * SIZE + [False] * SIZE


def test_ray_refuses_at_once_and_loses_nothing(make):
    env, twin = make(), AtariVectorEnv("breakout", NUM, **SHORT)
    with pytest.raises(ResetNeeded, match="Cannot send actions before calling `reset`"):
        env.step([0] * NUM)
    env.reset(seed=1), twin.reset(seed=1)
    for actions, env_id, error, message in (
        ([0] * 5 + [9], None, InvalidAction, "environment 5: "),
        ([0] * 5, None, ValueError, "`actions` must"),
        ([0, 0], [0, 1], ValueError, "`env_id` must name all 3 environments of an actor"),
        ([0], [6], ValueError, "`env_id` must be from 0 to 5, got 6"),
    ):
        with pytest.raises(error, match=message):
            env.send(actions, env_id)
    with pytest.raises(NoAsyncCallError):
        env.recv()
    env.send([0] * NUM)
    with pytest.raises(AlreadyPendingCallError):
        env.send([0] * NUM)
    assert_same(env.recv(), twin.step([0] * NUM))
    env.close(), env.close()
    with pytest.raises(ClosedEnvironmentError, match="after a call to `close"):
        env.step([0] * NUM)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"envs_per_actor": 4}, ValueError, "`num_envs` must be a multiple of `envs_per_actor`, 4, got 6"),
        ({"batch_size": 4}, ValueError, "`batch_size` must be a multiple of `envs_per_actor`, 3, got 4"),
        ({"batch_size": 0}, ValueError, "`batch_size` must be .*1.*6.*, got 0"),
        ({"on_loss": "cry"}, ValueError, "`on_loss` must be one of .*, got 'cry'"),
        ({"num_cpus": 0}, ValueError, "`num_cpus` must be above 0, got 0"),
        ({"autoreset_mode": "SameStep"}, TypeError, "`RayVectorEnv` has no argument 'autoreset_mode'"),
        ({"continuous": True}, ValueError, "`continuous` must be False in `RayVectorEnv`, got True"),
        (
            {"num_cpus": 64, "start_timeout": 1},
            RuntimeError,
            "an actor with 64 CPUs did not start within 1 seconds; of the",
        ),
    ],
)
def test_ray_refuses_wrong_arguments(make, arguments, error, message):
    with pytest.raises(error, match=message):
        make(**arguments)


def run_chaos(env, rng, losses, lose):
    """Lose actors at random while a twin of one process plays the same; return how many were told."""
    twin = AtariVectorEnv("breakout", NUM, **SHORT)
    assert_same(env.reset(seed=8), twin.reset(seed=8))
    told = done = step = 0
    while done < losses or step % 20:
        if step % 20 == 0:
            lose(env._groups[int(rng.integers(len(env._groups)))])
            done += 1
        if rng.random() < 0.5:
            time.sleep(float(rng.random()) / 50)
        actions = rng.integers(4, size=NUM)
        results = env.step(actions)
        assert_same(results, twin.step(actions), (done, step))
        told += int(results[-1]["restarted"].sum()) // SIZE
        step += 1
    twin.close()
    return told


@pytest.mark.chaos
@pytest.mark.parametrize("number", range(10))
def test_ray_loses_nothing_in_fifty_losses(make, number):
    rng = np.random.default_rng(number)
    env = make(checkpoint_steps=13, step_timeout=3)
    pids = []

    def lose(group):
        pids.append(find_pid(group))
        os.kill(pids[-1], signal.SIGKILL if rng.random() < 0.7 else signal.SIGSTOP)

    assert run_chaos(env, rng, 5, lose) == 5
    time.sleep(5)
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


@pytest.mark.chaos
def test_ray_goes_on_where_nodes_are_lost():
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    if ray.is_initialized():
        ray.shutdown()
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    workers = [nodes.add_node(num_cpus=1) for _ in range(3)]
    ray.init(address=nodes.address, log_to_driver=False)
    try:
        env = RayVectorEnv("breakout", NUM, envs_per_actor=SIZE, checkpoint_steps=5, step_timeout=10, **SHORT)

        def lose(group):
            node = ray.get(group.actor.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id()))
            lost = next(worker for worker in workers if worker.node_id == node)
            workers.remove(lost)
            nodes.remove_node(lost, allow_graceful=False)
            workers.append(nodes.add_node(num_cpus=1))

        assert run_chaos(env, np.random.default_rng(1), 3, lose) == 3
        env.close()
    finally:
        ray.shutdown()
        nodes.shutdown()
