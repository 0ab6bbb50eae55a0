"""labml's PPO experiment, unchanged, on fastatari's `Worker`.

    pip install fastatari torch 'labml<0.5' labml-nn
    python examples/labml_ppo.py --updates 10000

Tried with labml 0.4.168 and labml-nn 0.5.1; labml 0.5 lacks what its own experiment imports. The module
`labml_nn.rl.game` imports the package gym, which plays no Atari games any more. fastatari stands in its place;
`labml_nn.rl.ppo.experiment` imports its workers from there.
"""

import argparse
import sys
import types

import fastatari


def load_experiment() -> types.ModuleType:
    """Return labml's experiment, whose workers are fastatari's."""
    game = types.ModuleType("labml_nn.rl.game")
    game.Game, game.Worker = fastatari.Game, fastatari.Worker
    sys.modules["labml_nn.rl.game"] = game
    from labml_nn.rl.ppo import experiment  # noqa: PLC0415 - after its module was put in place

    return experiment


def train(args: argparse.Namespace) -> object:
    """Train with the hyperparameters of labml's `main`; return its trainer."""
    from labml.configs import FloatDynamicHyperParam, IntDynamicHyperParam  # noqa: PLC0415 - as above

    trainer = load_experiment().Trainer(
        updates=args.updates,
        epochs=IntDynamicHyperParam(args.epochs),
        n_workers=args.workers,
        worker_steps=args.steps,
        batches=4,
        value_loss_coef=FloatDynamicHyperParam(0.5),
        entropy_bonus_coef=FloatDynamicHyperParam(0.01),
        clip_range=FloatDynamicHyperParam(0.1),
        learning_rate=FloatDynamicHyperParam(1e-3, (0, 1e-3)),
    )
    trainer.run_training_loop()
    trainer.destroy()
    return trainer


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, default, meaning in (
        ("updates", 10000, "updates"), ("epochs", 8, "epochs an update"), ("workers", 8, "worker processes"),
        ("steps", 128, "steps of each worker an update"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, help=meaning)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    train(parse())
