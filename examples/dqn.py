"""Double DQN (van Hasselt et al., 2016) with n-step returns and prioritised replay, on `ReplayBuffer`.

    pip install fastatari torch
    python examples/dqn.py --game pong --minutes 60 --log dqn-pong.csv

The environment gives single planes. The buffer keeps each of them once, and puts stacks together: for the policy, and
in the memory of the tensors that the network learns from. The log has a line for each 1,000 rounds;
`examples/curve.py` draws it.
"""

import argparse
import copy
import csv
import os
import time
from collections import deque

import numpy as np
import torch
from torch import nn

from fastatari import AtariVectorEnv, ReplayBuffer


class Network(nn.Sequential):
    """The values of all actions: the network of Mnih et al. (2013), on planes from 0 to 255."""

    def __init__(self, shape: tuple[int, ...], actions: int) -> None:
        parts = nn.Conv2d(shape[0], 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten()
        size = nn.Sequential(*parts)(torch.zeros(1, *shape)).shape[1]
        super().__init__(*parts, nn.Linear(size, 256), nn.ReLU(), nn.Linear(256, actions))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        # In torch's fastest layout on a CPU.
        return super().forward(observations.contiguous(memory_format=torch.channels_last).float() / 255)


def learn(network: nn.Module, target: nn.Module, optimizer, buffer: ReplayBuffer, batch, args, beta: float) -> float:
    """Take a gradient step on a sample, and set its priorities; return the loss."""
    sample = buffer.sample(args.batch, beta=beta, out=batch[0], next_out=batch[1])
    rewards, discounts, weights, actions = map(
        torch.from_numpy, (sample.rewards, sample.discounts, sample.weights, sample.actions)
    )
    with torch.no_grad():
        best = network(batch[1]).argmax(1, keepdim=True)
        goal = rewards + discounts * target(batch[1]).gather(1, best).squeeze(1)
    values = network(batch[0]).gather(1, actions.unsqueeze(1)).squeeze(1)
    loss = (weights * nn.functional.smooth_l1_loss(values, goal, reduction="none")).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 10)
    optimizer.step()
    buffer.update_priorities(sample.indices, (goal - values).detach().numpy())
    return loss.item()


def train(args: argparse.Namespace) -> tuple[Network, float, float]:
    """Train for the given time or steps; return the network, the last loss, and the mean of the last 100 returns."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    rules = {"preset": "sb3", "stack_axis": 0, "stack_num": 1, "screen_size": args.size}
    env = AtariVectorEnv(args.game, args.envs, episode_statistics=True, **rules)
    buffer = ReplayBuffer.for_env(
        env, args.capacity, stack_num=4, n_step=args.n_step, gamma=args.gamma, priority_exponent=0.5, seed=args.seed
    )
    network = Network(buffer.stack_shape, env.single_action_space.n).to(memory_format=torch.channels_last)
    target = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), args.rate, eps=1.5e-4)
    batch = torch.empty((2, args.batch, *buffer.stack_shape), dtype=torch.uint8)
    present = torch.empty((args.envs, *buffer.stack_shape), dtype=torch.uint8)
    returns, seconds = deque(maxlen=100), dict.fromkeys(("environment", "policy", "learning"), 0.0)
    file = open(args.log or os.devnull, "w", newline="", buffering=1)  # noqa: SIM115 - closed at the end
    log = csv.writer(file)
    log.writerow(["steps", "minutes", "return", "games", "loss"])

    buffer.reset(*env.reset(seed=args.seed))
    start, rounds, games, loss, updates = time.perf_counter(), 0, 0, float("nan"), 0
    while (steps := rounds * args.envs) < args.steps and (minutes := (time.perf_counter() - start) / 60) < args.minutes:
        progress = max(steps / args.steps, minutes / args.minutes)
        mark = time.perf_counter()
        epsilon = max(0.01, 1 - progress / args.exploration)
        with torch.no_grad():
            actions = network(buffer.observe(out=present)).argmax(1).numpy()
        is_random = rng.random(args.envs) < epsilon
        actions = np.where(is_random, rng.integers(env.single_action_space.n, size=args.envs), actions)
        middle = time.perf_counter()
        results = env.step(actions)
        buffer.add(actions, *results)
        info = results[-1]
        returns.extend(info["episode"]["r"][info["_episode"]].tolist())
        games += int(np.count_nonzero(info["_episode"]))
        rounds += 1
        end = time.perf_counter()
        seconds["policy"] += middle - mark
        seconds["environment"] += end - middle
        if len(buffer) >= args.first:
            loss = learn(network, target, optimizer, buffer, batch, args, beta=min(1, 0.4 + 0.6 * progress))
            updates += 1
            if updates % args.target == 0:
                target.load_state_dict(network.state_dict())
            seconds["learning"] += time.perf_counter() - end
        if rounds % 1000 == 0:
            mean, minutes = np.mean(returns) if returns else float("nan"), (time.perf_counter() - start) / 60
            text = f"{rounds * args.envs:,} steps  {minutes:.1f} min  {games} games  mean return {mean:.1f}"
            print(f"\r{text}  loss {loss:.4f}  epsilon {epsilon:.2f} ", end="", flush=True)
            log.writerow([rounds * args.envs, f"{minutes:.2f}", f"{mean:.2f}", games, f"{loss:.5f}"])
    env.close()
    file.close()
    print("\n" + ", ".join(f"{name} {part / sum(seconds.values()):.0%}" for name, part in seconds.items()))
    return network, loss, float(np.mean(returns)) if returns else float("nan")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, default, meaning in (
        ("game", "pong", "the game"), ("envs", 8, "environments"), ("size", 84, "the side of a plane, pixels"),
        ("steps", 10_000_000, "steps at most"), ("minutes", 60.0, "minutes at most"), ("rate", 2.5e-4, "learning rate"),
        ("capacity", 200_000, "transitions in the buffer"), ("first", 10_000, "transitions before the first update"),
        ("batch", 64, "transitions a gradient step"), ("target", 1000, "gradient steps between target networks"),
        ("n-step", 3, "steps of a return"), ("gamma", 0.99, "discount"), ("exploration", 0.15, "part that explores"),
        ("seed", 1, "seed"), ("log", "", "a CSV file"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=type(default), default=default, help=meaning)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(parse())
