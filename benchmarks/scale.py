"""Measures `RayVectorEnv`: ``python -m benchmarks.scale``, after ``pip install '.[rllib,bench]'``.

Each number of nodes is a cluster of as many node processes on this machine, of one CPU each. Sections:

* `calls`: what a call costs that does nothing, and one that brings the planes of a batch.
* `local`: batches of all actors beside one `AtariVectorEnv` of as many environments on the same cores.
* `model`: how many steps a second 1, 10 and 100 nodes give, computed from what was measured. The caller is one process,
  which takes the planes of all nodes in and puts stacks together: that and the network are the limits.
"""

import argparse
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import ray
from ray.cluster_utils import Cluster

from benchmarks import command, timing
from benchmarks.console_share import play_parts
from benchmarks.interfaces import AtariVectorEnv, list_roms
from fastatari.adapters.ray_actor import Actor, Reset, find_layout, push_planes, unpack_infos
from fastatari.adapters.ray_vector import RayVectorEnv

NODES, COUNTS = (1, 2, 4), (16, 64, 256)
LARGE_NODES = (1, 10, 100)
PLANE = 84 * 84  # bytes of a new plane


class Cost(NamedTuple):
    """What something costs.

    Attributes:
        name: of what.
        nodes: how many nodes there are.
        num_envs: how many environments of an actor.
        times: the microseconds in each round.
    """

    name: str
    nodes: int
    num_envs: int
    times: list[float]


def main() -> None:
    """Measure, and print and save what came out."""
    parser = command.make_parser(
        __doc__, ("calls", "local", "model"), rounds=10, steps=20, steps_help="batches of a round"
    )
    parser.add_argument("--game", default="breakout", choices=list_roms(), metavar="GAME")
    parser.add_argument("--nodes", nargs="+", type=command.positive, default=NODES, metavar="N", help=f"{NODES}")
    parser.add_argument("--counts", nargs="+", type=command.positive, default=COUNTS, metavar="N", help=f"{COUNTS}")
    parser.add_argument(
        "--network", type=float, default=10.0, metavar="GBIT", help="gigabits a second of the caller; default: 10"
    )
    arguments = parser.parse_args()
    costs: list[Cost] = []
    measures: dict[str, Callable[[], Sequence[Any]]] = {
        "calls": functools.partial(measure_calls, arguments, costs),
        "local": functools.partial(measure_local, arguments),
        "model": functools.partial(print_model, arguments, costs),
    }
    command.run(arguments, measures)


def with_nodes(number: int, measure: Callable[[], Any]) -> Any:
    """Do something in a cluster of some nodes with a CPU each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(number):
            cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        return measure()
    finally:
        ray.shutdown()
        cluster.shutdown()


def measure_calls(arguments: argparse.Namespace, costs: list[Cost]) -> list[Cost]:
    """Measure calls of an actor on each node at once; print how long all take, by the number of actors."""
    timing.print_head(
        "Calls of an actor on each node at once, milliseconds until all have answered",
        *(
            "nodes",
            "environments of each",
            "a call that does nothing",
            "a step of all, planes and infos",
            "an environment, us",
        ),
    )
    for nodes in arguments.nodes:
        costs += with_nodes(nodes, functools.partial(race_calls, arguments, nodes))
    return costs


def race_calls(arguments: argparse.Namespace, nodes: int) -> list[Cost]:
    """Measure calls in the present cluster."""
    costs = []
    for count in arguments.counts:
        env = RayVectorEnv(arguments.game, nodes * count, envs_per_actor=count)
        env.reset(seed=0)
        actions = np.zeros(env.num_envs, np.int64)
        times: dict[str, list[float]] = {"empty": [], "step": []}
        for turn in range(arguments.rounds + 1):
            for name, call in (("empty", functools.partial(ping, env)), ("step", functools.partial(env.step, actions))):
                begin = time.perf_counter()
                for _ in range(arguments.steps):
                    call()
                if turn:
                    times[name].append(1e6 * (time.perf_counter() - begin) / arguments.steps)
        env.close()
        costs += [Cost(name, nodes, count, each) for name, each in times.items()]
        medians = [float(np.median(times[name])) for name in ("empty", "step")]
        row = (*(f"{median / 1000:.2f}" for median in medians), f"{medians[1] / env.num_envs:.1f}")
        timing.print_row(str(nodes), str(count), *row)
    return costs


def ping(env: RayVectorEnv) -> None:
    """Call all actors, which do nothing."""
    ray.get([group._actor.ping.remote() for group in env._groups])


def measure_local(arguments: argparse.Namespace) -> list[Cost]:
    """Measure two actors beside one `AtariVectorEnv`, after they were found equal; print the ratio."""
    timing.print_head(
        "Two actors, microseconds of a step of one environment",
        *("environments of each", "in a batch", "`RayVectorEnv`", "`AtariVectorEnv`", "local / Ray"),
    )
    costs: list[Cost] = []
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        for count in arguments.counts:
            for batch_size in (2 * count, count):
                costs += race_local(arguments, count, batch_size)
    finally:
        ray.shutdown()
    return costs


def race_local(arguments: argparse.Namespace, count: int, batch_size: int) -> list[Cost]:
    """Measure both in turn, with all environments in a batch or with the actor that is ready first."""
    envs = {
        "ray": RayVectorEnv(arguments.game, 2 * count, envs_per_actor=count, batch_size=batch_size),
        "local": AtariVectorEnv(arguments.game, 2 * count),
    }
    is_whole = batch_size == 2 * count
    rng = np.random.default_rng(0)
    last: dict[str, Any] = {name: env.reset(seed=0)[0] for name, env in envs.items()}
    if not is_whole:
        envs["ray"].recv()
    action_num = envs["local"].single_action_space.n
    current: list[Any] = []

    def prepare(_: int) -> None:
        current[:] = rng.integers(action_num, size=(arguments.steps, 2 * count))

    def play(name: str) -> float:
        env: Any = envs[name]
        begin = time.perf_counter()
        if is_whole or name == "local":
            for actions in current:
                last[name] = env.step(actions)[0]
        else:
            play_parts(env, np.array(current))
            last[name] = env._stacks
        return 1e6 * (time.perf_counter() - begin) / (len(current) * 2 * count)

    def check() -> bool:
        assert np.array_equal(last["ray"], last["local"]), "the observations differ"
        return True

    players = {name: functools.partial(play, name) for name in envs}
    times = timing.play_rounds(players, arguments.rounds, prepare=prepare, check=check)
    for env in envs.values():
        env.close()
    ratios = timing.write_spread(timing.divide(times["local"], times["ray"]))
    medians = (timing.write_median(times[name]) for name in ("ray", "local"))
    timing.print_row(str(count), str(batch_size), *medians, ratios)
    return [Cost(name, 1, count, times[name]) for name in times]


def print_model(arguments: argparse.Namespace, costs: list[Cost]) -> list[Cost]:
    """Print what is computed of larger clusters, out of `calls`.

    Where a batch is some of the actors, nodes, caller and network work at the same time. Where it is all of them, the
    nodes wait while the caller puts a batch together.
    """
    count = max(arguments.counts)
    steps = {
        cost.nodes: float(np.median(cost.times)) for cost in costs if cost.name == "step" and cost.num_envs == count
    }
    if not steps:
        return []
    # A call itself takes the caller's time too: what each further actor adds to calls that do nothing.
    empty = {
        cost.nodes: float(np.median(cost.times)) for cost in costs if cost.name == "empty" and cost.num_envs == count
    }
    few, many = min(empty), max(empty)
    call = (empty[many] - empty[few]) / (many - few) if many > few else empty[few]
    caller = call + measure_caller(arguments.game, count)
    wire = 8 * PLANE * count / (1e3 * arguments.network)
    timing.print_head(
        f"Computed, not measured: {count} environments a node, a network of {arguments.network:g} gigabits a second",
        *(
            "nodes",
            "a node's step, ms",
            "caller, ms a batch",
            "network, ms a batch",
            "steps a second, batches of some",
            "of the nodes alone",
            "batches of all",
            "of the nodes alone",
        ),
    )
    node = steps[min(steps)]  # of more nodes, which share the cores of this machine, it says less
    for nodes in LARGE_NODES:
        parts = node, nodes * caller, nodes * wire
        cells = [f"{part / 1e3:.1f}" for part in parts]
        for longest in (max(parts), node + max(parts[1:])):
            cells += [f"{1e6 * nodes * count / longest:,.0f}", f"{node / longest:.2f}"]
        timing.print_row(str(nodes), *cells)
    return [Cost("caller", 1, count, [caller])]


def measure_caller(game: str, count: int) -> float:
    """Return the microseconds that the caller takes for what an actor answered: stacks put together, and a copy."""
    arguments = {"game": game, "num_envs": count}
    layout, actor = find_layout(arguments), Actor(arguments, 1)
    reply = actor.run(None, [Reset([0] * count, False), np.zeros(count, np.int64)], False)
    stacks = np.zeros((count, *layout.rules.shape), np.uint8)
    ids, times = np.arange(count), []
    for _ in range(50):
        begin = time.perf_counter()
        push_planes(stacks, reply, layout.rules)
        unpack_infos(reply.columns, layout)
        stacks[ids]
        times.append(1e6 * (time.perf_counter() - begin))
    return float(np.median(times))


if __name__ == "__main__":
    main()
