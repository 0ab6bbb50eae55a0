"""The examples in their shortest form: losses are finite, and weights move."""

import csv
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def load():
    def load_example(name):
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load_example


def assert_moved(trained, fresh):
    """Every weight has moved."""
    before = fresh.state_dict()
    for name, weights in trained.state_dict().items():
        assert np.isfinite(weights.numpy()).all(), name
        assert not np.array_equal(weights.numpy(), before[name].numpy()), name


def test_examples_are_short():
    for path in EXAMPLES.glob("*.py"):
        assert path.read_text().count("\n") < 150, path


def test_ppo_learns_something(load, tmp_path, capsys):
    torch = pytest.importorskip("torch")
    ppo = load("ppo")
    log = tmp_path / "log.csv"
    sizes = "--envs", "4", "--rollout", "16", "--batch", "32", "--size", "42", "--epochs", "2", "--seed", "3"
    args = ppo.parse(["--game", "breakout", "--steps", "512", "--log", str(log), *sizes])
    agent, loss, _ = ppo.train(args)
    assert math.isfinite(loss)
    torch.manual_seed(3)
    assert_moved(agent, ppo.Agent((42, 42, 4), 4))
    rows = list(csv.DictReader(log.read_text().splitlines()))
    assert [int(row["steps"]) for row in rows] == list(range(64, 513, 64))
    assert "environment" in capsys.readouterr().out


def test_advantages_are_those_of_their_definition(load):
    """The sum of the discounted errors up to the end of the episode, each of which is computed by itself."""
    torch = pytest.importorskip("torch")
    ppo = load("ppo")
    rng = np.random.default_rng(0)
    rewards, ends = rng.normal(size=(7, 2)), (rng.random((7, 2)) < 0.2).astype(float)
    values = rng.normal(size=(8, 2))
    tensors = (torch.tensor(each, dtype=torch.float64) for each in (rewards, values, ends))
    mine = ppo.find_advantages(*tensors, 0.9, 0.8).numpy()
    for t in range(7):
        for n in range(2):
            total, factor = 0.0, 1.0
            for k in range(t, 7):
                total += factor * (rewards[k, n] + 0.9 * (1 - ends[k, n]) * values[k + 1, n] - values[k, n])
                factor *= 0.9 * 0.8
                if ends[k, n]:
                    break
            assert mine[t, n] == pytest.approx(total, abs=1e-12)


def test_dqn_learns_something(load, tmp_path):
    torch = pytest.importorskip("torch")
    dqn = load("dqn")
    log = tmp_path / "log.csv"
    sizes = "--envs", "2", "--size", "42", "--capacity", "600", "--first", "100", "--batch", "8", "--target", "20"
    args = dqn.parse(["--game", "breakout", "--steps", "2400", "--log", str(log), "--seed", "3", *sizes])
    network, loss, mean = dqn.train(args)
    assert math.isfinite(loss)
    assert math.isfinite(mean)
    torch.manual_seed(3)
    assert_moved(network, dqn.Network((4, 42, 42), 4))
    (row,) = csv.DictReader(log.read_text().splitlines())
    assert row["steps"] == "2000"


def test_evaluation_counts_every_environments_first_games(load, tmp_path, monkeypatch):
    evaluate = load("evaluate")
    (tmp_path / "agent_for_test.py").write_text(
        "import numpy as np\n"
        "def act(observations, meanings):\n"
        "    assert observations.shape[1:] == (84, 84, 4)\n"
        "    return np.full(len(observations), meanings.index('FIRE'))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    args = ["--games", "breakout", "pong", "--envs", "2", "--episodes", "1", "--policy", "agent_for_test:act"]
    results = evaluate.evaluate(evaluate.parse(args))
    assert {game: len(returns) for game, returns in results.items()} == {"breakout": 2, "pong": 2}
    assert max(results["pong"]) < 0 <= min(results["breakout"])


def test_curves_are_drawn(load, tmp_path):
    curve = load("curve")
    log = tmp_path / "run.csv"
    log.write_text("steps,minutes,return,games,loss\n10,0.1,nan,0,1\n20,0.2,-20,1,1\n30,0.3,-19,2,1\n")
    curve.draw([log], tmp_path / "curve.svg")
    assert "<svg" in (tmp_path / "curve.svg").read_text()


@pytest.mark.filterwarnings("ignore")  # labml's own
def test_labmls_experiment_runs_unchanged(load):
    pytest.importorskip("torch")
    pytest.importorskip("labml_nn")
    labml_ppo = load("labml_ppo")
    try:
        experiment = labml_ppo.load_experiment()
    except ImportError as error:
        pytest.skip(f"labml's own experiment cannot be imported: {error}")
    trainer = labml_ppo.train(labml_ppo.parse(["--updates", "2", "--epochs", "1", "--workers", "2", "--steps", "16"]))
    assert type(trainer) is experiment.Trainer
    assert_moved(trainer.model, type(trainer.model)())
