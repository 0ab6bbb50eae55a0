"""PPO (Schulman et al., 2017) with torch on `AtariVectorEnv`.

    pip install fastatari torch
    python examples/ppo.py --game pong --minutes 60 --log ppo-pong.csv

Observations are written by the environment into the memory that the network learns from. The log has a line for each
rollout; `examples/curve.py` draws it.
"""

import argparse
import csv
import os
import time
from collections import deque

import numpy as np
import torch
from torch import nn

from fastatari import AtariVectorEnv


class Agent(nn.Module):
    """A policy and a value on a common network: that of Mnih et al. (2013)."""

    def __init__(self, shape: tuple[int, ...], actions: int) -> None:
        super().__init__()
        convolutions = nn.Sequential(
            nn.Conv2d(shape[-1], 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten()
        )
        size = convolutions(torch.zeros(1, *shape).permute(0, 3, 1, 2)).shape[1]
        self.body = nn.Sequential(convolutions, nn.Linear(size, 256), nn.ReLU())
        self.policy, self.value = nn.Linear(256, actions), nn.Linear(256, 1)
        for layer in [*convolutions, self.body[1]]:
            if hasattr(layer, "weight"):
                nn.init.orthogonal_(layer.weight, 2**0.5)
                nn.init.zeros_(layer.bias)
        nn.init.orthogonal_(self.policy.weight, 0.01)
        nn.init.orthogonal_(self.value.weight, 1)

    def forward(self, observations: torch.Tensor) -> tuple[torch.distributions.Categorical, torch.Tensor]:
        # The planes of a stack are the channels, and lie last: torch's fastest layout on a CPU.
        features = self.body(observations.permute(0, 3, 1, 2).float() / 255)
        return torch.distributions.Categorical(logits=self.policy(features)), self.value(features).squeeze(-1)


def find_advantages(rewards, values, ends, gamma: float, trace: float) -> torch.Tensor:
    """Return generalised advantage estimates (Schulman et al., 2016), float32[t, n]; `values` is float32[t + 1, n]."""
    advantages, last = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        goes_on = 1 - ends[t]
        error = rewards[t] + gamma * goes_on * values[t + 1] - values[t]
        advantages[t] = last = error + gamma * trace * goes_on * last
    return advantages


def learn(agent: Agent, optimizer, batch, args) -> float:
    """Take the epochs of gradient steps of a rollout; return the last loss."""
    observations, actions, old_probabilities, advantages, returns = batch
    for _ in range(args.epochs):
        for part in torch.randperm(len(actions)).split(args.batch):
            distribution, values = agent(observations[part])
            ratio = (distribution.log_prob(actions[part]) - old_probabilities[part]).exp()
            gain = advantages[part]
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
            policy_loss = -torch.min(gain * ratio, gain * ratio.clamp(1 - args.clip, 1 + args.clip)).mean()
            value_loss = 0.5 * (values - returns[part]).square().mean()
            loss = policy_loss + 0.5 * value_loss - args.entropy * distribution.entropy().mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()
    return loss.item()


def train(args: argparse.Namespace) -> tuple[Agent, float, float]:
    """Train for the given time or steps; return the agent, the last loss, and the mean of the last 100 returns."""
    torch.manual_seed(args.seed)
    rules = {"preset": "sb3", "screen_size": args.size}
    env = AtariVectorEnv(args.game, args.envs, autoreset_mode="SameStep", episode_statistics=True, **rules)
    n, t_max, shape = args.envs, args.rollout, env.single_observation_space.shape
    agent = Agent(shape, env.single_action_space.n).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(agent.parameters(), args.rate, eps=1e-5)
    observations = torch.zeros((t_max + 1, n, *shape), dtype=torch.uint8)
    actions = torch.zeros((t_max, n), dtype=torch.int64)
    rewards, ends, probabilities = torch.zeros((3, t_max, n))
    values = torch.zeros((t_max + 1, n))
    returns, seconds = deque(maxlen=100), dict.fromkeys(("environment", "policy", "learning"), 0.0)

    observations[-1] = torch.from_numpy(env.reset(seed=args.seed)[0])
    file = open(args.log or os.devnull, "w", newline="", buffering=1)  # noqa: SIM115 - closed at the end
    log = csv.writer(file)
    log.writerow(["steps", "minutes", "return", "games", "loss"])
    start, steps, games, loss = time.perf_counter(), 0, 0, float("nan")
    while steps < args.steps and (minutes := (time.perf_counter() - start) / 60) < args.minutes:
        left = 1 - max(steps / args.steps, minutes / args.minutes)
        optimizer.param_groups[0]["lr"] = args.rate * left
        observations[0] = observations[-1]
        for t in range(t_max):
            mark = time.perf_counter()
            with torch.no_grad():
                distribution, values[t] = agent(observations[t])
                actions[t] = distribution.sample()
                probabilities[t] = distribution.log_prob(actions[t])
            middle = time.perf_counter()
            _, reward, terminated, truncated, info = env.step(actions[t].numpy(), out=observations[t + 1])
            rewards[t], ends[t] = torch.from_numpy(reward), torch.from_numpy(terminated | truncated)
            final = info.get("final_info", {})  # of environments that were reset in this step
            if "episode" in final:
                over = final["_episode"]
                returns.extend(final["episode"]["r"][over].tolist())
                games += int(np.count_nonzero(over))
            seconds["policy"] += middle - mark
            seconds["environment"] += time.perf_counter() - middle
        mark = time.perf_counter()
        with torch.no_grad():
            values[-1] = agent(observations[-1])[1]
        advantages = find_advantages(rewards, values, ends, args.gamma, args.trace)
        rollout = observations[:-1], actions, probabilities, advantages, advantages + values[:-1]
        loss = learn(agent, optimizer, [each.flatten(0, 1) for each in rollout], args)
        seconds["learning"] += time.perf_counter() - mark
        steps += t_max * n
        mean, minutes = np.mean(returns) if returns else float("nan"), (time.perf_counter() - start) / 60
        print(f"\r{steps:,} steps  {minutes:.1f} min  {games} games  mean return {mean:.1f}  loss {loss:.3f} ", end="")
        log.writerow([steps, f"{minutes:.2f}", f"{mean:.2f}", games, f"{loss:.4f}"])
    env.close()
    file.close()
    print("\n" + ", ".join(f"{name} {part / sum(seconds.values()):.0%}" for name, part in seconds.items()))
    return agent, loss, float(np.mean(returns)) if returns else float("nan")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, default, meaning in (
        ("game", "pong", "the game"), ("envs", 16, "environments"), ("size", 84, "the side of a plane, pixels"),
        ("steps", 10_000_000, "steps at most"), ("minutes", 60.0, "minutes at most"), ("rollout", 128, "its steps"),
        ("epochs", 3, "epochs a rollout"), ("batch", 256, "steps a gradient step"), ("rate", 5e-4, "learning rate"),
        ("gamma", 0.99, "discount"), ("trace", 0.95, "lambda of the advantages"), ("clip", 0.1, "clip of the ratio"),
        ("entropy", 0.01, "weight of the entropy"), ("seed", 1, "seed"), ("log", "", "a CSV file"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=type(default), default=default, help=meaning)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(parse())
