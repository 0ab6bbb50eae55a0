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

    from fastatari.adapters import ray_group
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
        for name in theirs.keys() - {"t"}:  # seconds
            assert_same(mine[name], theirs[name], (where, name))
    elif isinstance(theirs, tuple):
        for one, other in zip(mine, theirs, strict=True):
            assert_same(one, other, where)
    else:
        assert mine.dtype == theirs.dtype, where
        assert np.array_equal(mine, theirs), where


def find_pid(group):
    """Return the process of a group's actor."""
    return ray.get(group._actor.__ray_call__.remote(lambda _: os.getpid()))


def delay(group, seconds):
    """Let a group's actor be busy for some seconds."""
    group._actor.__ray_call__.remote(lambda _: time.sleep(seconds))


class Dying:
    """An actor that dies of what it is asked for."""

    def __init__(self, *_):
        pass

    def run(self, *_):
        os._exit(1)


class Failing:
    """An actor that cannot be made."""

    def __init__(self, *_):
        raise OSError("no such ROM")

    def ping(self):
        pass

    def run(self, *_):
        pass


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"preset": "sb3", "episode_statistics": False},
        {"preset": "envpool", "life_loss": "continue", "max_episode_steps": 40},
        {"grayscale_obs": False, "stack_axis": -1, "stack_num": 3},
        {"scale_obs": True, "screen_size": 42},
        {"obs_type": "ram", "stack_num": 2},
        {"obs_type": "ram", "episode_statistics": True},
        {"stack_num": 1, "stack_axis": -1},
    ],
    ids=str,
)
def test_ray_gives_what_one_process_gives(make, fields):
    env, twin = make(**fields), AtariVectorEnv("breakout", NUM, **SHORT, **fields)
    assert (env.observation_space, env.action_space) == (twin.observation_space, twin.action_space)
    assert_same(env.reset(seed=3), twin.reset(seed=3), "reset")
    assert ("episode" in env.step([0] * NUM)[-1]) == ("episode" in twin.step([0] * NUM)[-1])
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


def test_ray_batches_hold_those_that_are_ready_first(make):
    env, twin = make(batch_size=SIZE), AtariVectorEnv("breakout", NUM, **SHORT)
    expected, _ = twin.reset(seed=3)
    observations, infos = env.reset(seed=3)
    assert infos["env_id"].tolist() == [0, 1, 2]
    others, *_, infos = env.recv()
    assert infos["env_id"].tolist() == [3, 4, 5]
    assert np.array_equal(np.concatenate([observations, others]), expected)
    played = {i: [] for i in range(NUM)}
    env.send(np.arange(NUM) % 4, np.arange(NUM))
    for step in range(60):
        observations, rewards, _, _, infos = env.recv()
        assert len(observations) == SIZE
        for row, i in enumerate(infos["env_id"].tolist()):
            played[i].append((observations[row].tobytes(), float(rewards[row])))
        if step == 30:  # now the other one is slow, and this one is always first
            slow = infos["env_id"][0] // SIZE
            delay(env._groups[slow], 1)
        env.send(infos["env_id"] % 4)
        if step > 35:
            assert infos["env_id"][0] // SIZE != slow or len(played[slow * SIZE]) > 30
    for step in range(min(map(len, played.values()))):
        observations, rewards, *_ = twin.step(np.arange(NUM) % 4)
        for i in range(NUM):
            assert played[i][step] == (observations[i].tobytes(), float(rewards[i])), (step, i)
    counts = [len(played[0]), len(played[SIZE])]
    assert min(counts) > 10
    assert max(counts) > 1.2 * min(counts)


def test_ray_gives_every_actor_its_turn_where_the_caller_is_slow(make):
    env = make(batch_size=SIZE)
    env.reset(seed=3)
    env.recv()
    env.send([0] * NUM, np.arange(NUM))
    turns = []
    for _ in range(12):
        time.sleep(0.1)  # now both are ready
        infos = env.recv()[-1]
        turns.append(int(infos["env_id"][0]))
        env.send([0] * SIZE)
    assert turns == [0, 3] * 6


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


def test_ray_replaces_all_stopped_actors_at_once_and_in_batches_too(make):
    env, twin = make(step_timeout=2, batch_size=SIZE, checkpoint_steps=4), AtariVectorEnv("breakout", NUM, **SHORT)
    env.reset(seed=5), twin.reset(seed=5)
    env.recv()
    for group in env._groups:
        os.kill(find_pid(group), signal.SIGSTOP)
    begin = time.monotonic()
    env.send([1] * NUM, np.arange(NUM))
    received = [env.recv() for _ in range(2)]
    assert time.monotonic() - begin < 2 + 2 + 6  # one timeout, and the start of two actors
    expected = twin.step([1] * NUM)[0]
    for observations, *_, infos in received:
        assert infos["restarted"].all()
        assert np.array_equal(observations, expected[infos["env_id"]])
    # One that is stopped is replaced even if the other one always answers.
    os.kill(find_pid(env._groups[0]), signal.SIGSTOP)
    env.send([2] * NUM, np.arange(NUM))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        infos = env.recv()[-1]
        if infos["env_id"][0] == 0:
            break
        env.send([0] * SIZE)
    assert infos["env_id"][0] == 0
    assert infos["restarted"].all()


def test_ray_goes_on_after_an_interrupt(make):
    env, twin = make(), AtariVectorEnv("breakout", NUM, **SHORT)
    env.reset(seed=5), twin.reset(seed=5)
    for step in range(10):
        if step % 3 == 1:
            delay(env._groups[step % 2], 0.5)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            previous = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                env.step([1] * NUM)
            signal.signal(signal.SIGALRM, previous)
            with pytest.raises(AlreadyPendingCallError):
                env.send([0] * NUM, np.arange(NUM))
            assert_same(env.recv(), twin.step([1] * NUM), step)
        assert_same(env.step([step % 4] * NUM), twin.step([step % 4] * NUM), step)


def test_ray_says_that_an_interrupt_among_results_needs_a_reset(make, monkeypatch):
    env, twin = make(), AtariVectorEnv("breakout", NUM, **SHORT)
    env.reset(seed=5)

    def push(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fastatari.adapters.ray_vector.push_planes", push)
        with pytest.raises(KeyboardInterrupt):
            env.step([1] * NUM)
    for call in (env.recv, lambda: env.send([0] * NUM)):
        with pytest.raises(ResetNeeded, match="or after an exception that cut off a call"):
            call()
    assert_same(env.reset(seed=5), twin.reset(seed=5))
    assert_same(env.step([1] * NUM), twin.step([1] * NUM))


@pytest.mark.parametrize(
    ("actor", "cpus", "message"),
    [
        (Dying, 1, "the actor of environments 3 to 5 cannot be made, or is lost again and again: .*died"),
        (Failing, 1, "(?s)the actor of environments 3 to 5 cannot be made, or is lost .*no such ROM"),
        (
            ray_group.Actor,
            64,
            "environments 3 to 5, with 1 CPUs, did not start within 1 seconds; of the cluster's 2 CPUs",
        ),
    ],
)
def test_ray_says_why_an_actor_cannot_be_replaced_and_goes_on_when_it_can(make, monkeypatch, actor, cpus, message):
    env, twin = make(), AtariVectorEnv("breakout", NUM, **SHORT)
    env.reset(seed=5), twin.reset(seed=5)
    env.step([1] * NUM), twin.step([1] * NUM)
    group = env._groups[1]
    with monkeypatch.context() as patch:
        patch.setattr(group, "_plan", group._plan._replace(start_timeout=1, step_timeout=1))
        remote = ray.remote(num_cpus=cpus, max_restarts=0, max_task_retries=0)(actor)
        patch.setattr(
            ray_group.Group, "_make_actor", lambda _: remote.remote({"game": "breakout", "num_envs": SIZE}, 1)
        )
        os.kill(find_pid(group), signal.SIGKILL)
        with pytest.raises(RuntimeError, match=message):
            env.step([2] * NUM)
    group.end()
    assert_same(env.recv(), twin.step([2] * NUM))
    assert_same(env.step([3] * NUM), twin.step([3] * NUM))


def test_ray_says_why_an_actor_cannot_be_made(cluster, monkeypatch):
    remote = ray.remote(Failing)
    monkeypatch.setattr(ray_group.Group, "_make_actor", lambda _: remote.remote())
    with pytest.raises(RuntimeError, match=r"(?s)the actor of environments 0 to 7 cannot be made.*no such ROM"):
        RayVectorEnv("breakout", 8)


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


@pytest.mark.parametrize("seed", [2, None])
def test_ray_replaces_an_actor_that_is_lost_in_a_reset(make, seed):
    rules = {"preset": "sb3", "max_num_frames_per_episode": 0}
    env, twin = make(**rules), AtariVectorEnv("breakout", NUM, **rules)
    assert_same(env.reset(seed=1), twin.reset(seed=1))
    for _ in range(40):  # a life is lost, and without a seed the next reset goes on with the game
        assert_same(env.step([0] * NUM), twin.step([0] * NUM))
    os.kill(find_pid(env._groups[0]), signal.SIGKILL)
    results = env.reset(seed=seed)
    assert_same(results, twin.reset(seed=seed))
    assert results[1]["restarted"].tolist() == [True] * SIZE + [False] * SIZE
    assert (results[1]["frame_number"] > 100).all() == (seed is None)
    assert_same(env.step([1] * NUM), twin.step([1] * NUM))


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
        ({"num_cpus": 0}, ValueError, "`num_cpus` must be above 0 and finite, got 0"),
        ({"step_timeout": float("inf")}, ValueError, "`step_timeout` must be above 0 and finite, got inf"),
        ({"autoreset_mode": "SameStep"}, TypeError, "`RayVectorEnv` has no argument 'autoreset_mode'"),
        ({"continuous": True}, ValueError, "`continuous` must be False in `RayVectorEnv`, got True"),
        (
            {"num_cpus": 64, "start_timeout": 1},
            RuntimeError,
            "the actor of environments 0 to 2, with 64 CPUs, did not start within 1 seconds; of the cluster's 2 CPUs, ",
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
            node = ray.get(group._actor.__ray_call__.remote(lambda _: ray.get_runtime_context().get_node_id()))
            lost = next(worker for worker in workers if worker.node_id == node)
            workers.remove(lost)
            nodes.remove_node(lost, allow_graceful=False)
            workers.append(nodes.add_node(num_cpus=1))

        assert run_chaos(env, np.random.default_rng(1), 3, lose) == 3
        env.close()
    finally:
        ray.shutdown()
        nodes.shutdown()
