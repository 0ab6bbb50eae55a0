"""`benchmarks.scale` in its tiniest form."""

import json
import sys
import warnings

import benchmark_package  # noqa: F401 - finds the benchmarks
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its own
    pytest.importorskip("ray")
    from benchmarks import scale

pytestmark = pytest.mark.filterwarnings("ignore")


def test_scale_command_measures_all_sections(monkeypatch, tmp_path, capsys):
    path = tmp_path / "results.json"
    sizes = "--nodes", "1", "2", "--counts", "2", "--rounds", "1", "--steps", "3"
    monkeypatch.setattr(sys, "argv", ["scale", *sizes, "--json", str(path)])
    scale.main()
    results = json.loads(path.read_text())
    assert [(cost["name"], cost["nodes"]) for cost in results["calls"]] == [
        (name, nodes) for nodes in (1, 2) for name in ("empty", "step")
    ]
    assert [cost["name"] for cost in results["local"]] == ["ray", "local"] * 2
    (caller,) = results["model"]
    assert caller["times"][0] > 0
    # 100 nodes of one CPU give at most a hundred times what one gives.
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| 100 ")]
    assert all(float(cell) <= 1 for cell in rows[0].strip("| ").split(" | ")[5::2])
