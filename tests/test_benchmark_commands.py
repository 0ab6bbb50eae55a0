"""The commands of the benchmarks, in their tiniest form: they have to run, and to save and print the same."""

import json
import statistics
import sys

import pytest
from benchmark_package import forking

from benchmarks import (
    console,
    console_races,
    console_share,
    other_packages,
    pipelines,
    ratios,
    starting,
    threads,
    vector_rounds,
    vectors,
)
from benchmarks.other_packages import OURS, PACKAGES


@pytest.fixture(autouse=True)
def _forking():
    with forking():
        yield


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command with arguments, and return what it saved."""

    def run_command(module, *arguments):
        path = tmp_path / "results.json"
        monkeypatch.setattr(sys, "argv", [module.__name__, "--rounds", "1", "--json", str(path), *arguments])
        module.main()
        return json.loads(path.read_text())

    return run_command


def test_wrong_arguments_say_what_is_allowed(run, capsys):
    for arguments, message in (
        (("--rounds", "0"), "argument --rounds: must be at least 1, got 0"),
        (("--busy", "-1"), "argument --busy: must not be negative, got -1"),
        (("--packages", "ale-py", "--sections", "half", "--plot", "x.svg"), "--plot needs the section whole"),
    ):
        with pytest.raises(SystemExit):
            run(vectors, *arguments)
        assert message in capsys.readouterr().err


def test_a_missing_package_names_the_extra(monkeypatch, run, capsys):
    package = PACKAGES["envpool"]._replace(module="none")
    monkeypatch.setattr(other_packages, "PACKAGES", PACKAGES | {"envpool": package})
    with pytest.raises(SystemExit):
        run(vectors, "--packages", "envpool")
    assert "none missing; `pip install 'fastatari[bench-vectors]'` brings it" in capsys.readouterr().err


def test_vectors_command_measures_all_sections(run, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "POLICY_COUNT", 2)
    monkeypatch.setattr(vectors, "POLICIES", (0.0, 0.001))
    monkeypatch.setattr(vector_rounds, "_CHECKED", 20)
    plot = tmp_path / "plot.svg"
    packages = "--games", "pong", "--counts", "2", "--steps", "8", "--packages", "ale-py", "labml's workers"
    saved = run(vectors, *packages, "--most-processes", "1", "--plot", str(plot), "--busy", "1")
    assert [race["batch_size"] for race in saved["whole"]] == [2]
    assert [race["batch_size"] for race in saved["half"]] == [1]
    assert [race["policy"] for race in saved["policies"]] == [0, 0, 0.001, 0.001]
    assert saved["environment"]["busy processes"] == "1"
    assert plot.exists()
    (race,) = saved["whole"]
    assert f"{race['theirs'][0] / race['ours'][0]:.2f}" in capsys.readouterr().out


def test_console_share_command_measures_all_sections(run, tmp_path):
    plot = tmp_path / "plot.svg"
    saved = run(console_share, "--games", "breakout", "--counts", "2", "--steps", "3", "--plot", str(plot))
    assert [each["name"] for each in saved["outside"]] == ["AtariEnv", "AtariVectorEnv"]
    assert [each["batch_size"] for each in saved["shares"]] == [2, 1]
    assert all(min(each["console"] + each["steps"]) > 0 for each in saved["outside"] + saved["shares"])
    assert plot.exists()


def test_ratios_command_measures_all_sections(run, tmp_path):
    plot = tmp_path / "plot.svg"
    saved = run(ratios, "--games", "breakout", pipelines.NOISE, "--steps", "8", "--plot", str(plot), "--sections",
                "stack", "game", "env", "workers", "resets")  # fmt: skip
    assert [each["game"] for each in saved["stack"]] == ["breakout", "noise"]
    assert [each["game"] for each in saved["resets"]] == ["breakout, seeded", "breakout, unseeded"]
    assert {len(saved[name]) for name in ("game", "env", "workers")} == {1}
    assert plot.exists()


def test_ratios_command_measures_states_and_resets_of_roms(run, capsys):
    saved = run(ratios, "--games", "pong", "tennis", "--steps", "8", "--sections", "states", "roms")
    assert all(min(each["clone"] + each["restore"]) > 0 for each in saved["states"])
    pong, tennis = saved["roms"]
    assert len(pong["emulated"]) + len(pong["repeated"]) == ratios.UNSEEDED
    assert len(pong["repeated"]) > 0
    assert statistics.median(pong["repeated"]) < statistics.median(pong["emulated"])
    longest = max(pong["first"], *pong["emulated"], *pong["repeated"], *pong["seeded"])
    assert ratios.Resets(**pong).longest == longest
    printed = capsys.readouterr().out
    assert f"| pong | {longest:.3f} |" in printed
    assert ("never repeated: none" in printed) == bool(tennis["repeated"])


def test_threads_command_races_all_variants(run, capsys):
    saved = run(threads, "--counts", "3", "--steps", "2", "--game", "pong")
    handovers = saved["handovers"]
    assert len(handovers) == 3 * len(threads.list_variants(2))
    assert {len(each["batches"]) for each in handovers} == {1}
    assert all(0 < each["batches"][0] < 1e6 for each in handovers)
    assert capsys.readouterr().out.count("| threads, pinned, caller waits") == 3


def test_threads_command_selects_variants_by_text(run):
    saved = run(threads, "--counts", "2", "--steps", "2", "--variants", "one thread", "waits, awake 20 us")
    names = ["one thread", "threads, pinned, caller waits, awake 20 us", "threads, caller waits, awake 20 us"]
    assert [each["variant"] for each in saved["handovers"]] == 3 * names


def test_starting_command_measures_environments(run, capsys):
    saved = run(starting, "--sections", "environments", "--counts", "1", "--steps", "1", "--game", "pong")
    names = [each["name"] for each in saved["environments"]]
    assert names == [OURS, other_packages.ALE]
    assert all(0 < each["seconds"][0] < 60 and 20 < each["megabytes"][0] < 2000 for each in saved["environments"])
    assert "1.000 (1.000..1.000)" in capsys.readouterr().out


def test_console_command_races_games(run, tmp_path):
    plot = tmp_path / "plot.svg"
    saved = run(console, "--games", "pong", "--steps", "5", "--sections", "games", "threads", "--plot", str(plot))
    (speed,) = saved["games"]
    kinds = console_races.ACT, console_races.ACT_READ, console_races.CLASS, console_races.GENERIC
    assert {name: len(times) for name, times in speed["times"].items()} == dict.fromkeys(
        (*kinds, *console_races.MASKS), 1
    )
    assert speed["cartridge"] == "2K"
    assert min(saved["threads"][0]["ratios"]) > 0
    assert plot.exists()


def test_frameworks_command_measures_all_sections_with_sb3(run, capsys):
    pytest.importorskip("stable_baselines3")
    from benchmarks import frameworks  # noqa: PLC0415 - imports torch

    results = run(frameworks, "--counts", "2", "--steps", "8")
    assert [pair["name"] for pair in results["adapters"]] == ["sb3", "cleanrl", "envpool"]
    for section in ("adapters", "sb3", "policy"):
        assert all(len(pair[side]) == 1 for pair in results[section] for side in ("ours", "theirs"))
    assert "environments that cost nothing" in capsys.readouterr().out
