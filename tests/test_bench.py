import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from commands import find_argument_error
from PIL import Image

from fastatari.cli import bench, bench_machine, bench_players, bench_rounds
from fastatari.cli.bench_players import PACKAGES, OtherPackage, Refused
from fastatari.cli.main import main
from fastatari.cli.packages import are_installed

QUICK = ["--envs", "2", "--rounds", "2", "--packages"]


@pytest.fixture(autouse=True)
def _machine_is_quiet(monkeypatch):
    """The machine that tests run on may be busy; and looking at it takes half a second. Rounds are short here."""
    monkeypatch.setattr(bench_rounds, "_ROUND_STEPS", 40)
    monkeypatch.setattr(bench_rounds, "_CHECKED", 40)
    monkeypatch.setattr(bench_machine, "warn_before", list)
    monkeypatch.setattr(bench_machine, "warn_after", lambda *_: [])


@pytest.fixture
def package(monkeypatch):
    """Replaces what makes ale-py's environments."""

    def replace(make, **fields):
        monkeypatch.setitem(PACKAGES, "ale-py", PACKAGES["ale-py"]._replace(make=make, **fields))

    return replace


class Changed:
    """ale-py's environments, of which something is changed from a step on."""

    closed = 0

    def __init__(self, *arguments, change, after):
        self._player, self._change, self._after, self._count = PACKAGES["ale-py"].make(*arguments), change, after, 0
        self.begin = self._player.begin

    def step(self, actions):
        self._count += 1
        batch = self._player.step(actions)
        return self._change(batch) if self._count > self._after else batch

    def close(self):
        self._player.close()
        Changed.closed += 1


def changed(change, after=0):
    original = PACKAGES["ale-py"].make

    def make(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(PACKAGES, "ale-py", PACKAGES["ale-py"]._replace(make=original))
            return Changed(*arguments, change=change, after=after)

    return make


def fail(*_):
    raise RuntimeError("out of order\nat all")


def test_the_command_measures_prints_draws_and_saves(tmp_path, capsys):
    chart, figures = tmp_path / "a.svg", tmp_path / "a.json"
    arguments = ["--envs", "1", "3", "--threads", "1", "2", "--rounds", "2", "--game", "ALE/Pong-v5"]
    packages = ["--packages", "ale-py", "gymnasium-sync"]
    assert main(["bench", *arguments, *packages, "--out", str(chart), "--json", str(figures)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(figures.read_text())
    assert (document["is_whole"], document["failures"], document["warnings"]) == (True, [], [])
    assert document["machine"]["fastatari"]
    results = document["results"]
    keys = [(each["num_envs"], each["num_threads"], each["package"], each["preset"]) for each in results]
    pairs = (("ale-py", "ale"), ("gymnasium-sync", "gymnasium"))
    assert keys == [(n, t, *pair) for n in (1, 3) for t in (1, 2) for pair in pairs]
    rows = [line.split() for line in out.splitlines()]
    for result in results:
        ours, theirs = result["fastatari_steps_per_second"], result["package_steps_per_second"]
        assert len(ours) == len(theirs) == 2
        assert min(ours + theirs) > 0
        assert result["ratios"] == [a / b for a, b in zip(ours, theirs, strict=True)]
        assert result["median_ratio"] == statistics.median(result["ratios"])
        threads = str(result["num_threads"])
        numbers = [f"{statistics.median(ours):,.0f}", f"{statistics.median(theirs):,.0f}"]
        spread = [f"{result['median_ratio']:.1f}", f"{min(result['ratios']):.1f}", "to"]
        row = [str(result["num_envs"]), threads, result["package"], *numbers, *spread]
        assert [each[: len(row)] for each in rows].count(row) == 1
    rate = statistics.median(results[0]["fastatari_steps_per_second"])
    assert f"played for 4 frames of the console: {rate:,.0f} steps a second are {4 * rate:,.0f} frames a second." in out
    assert " medians of 2 rounds, " in out
    text = chart.read_text()
    assert text.startswith("<?xml")
    assert "</svg>" in text


def test_a_chart_may_be_a_png(tmp_path):
    chart = tmp_path / "a.PNG"
    assert main(["bench", *QUICK, "ale-py", "--out", str(chart)]) == 0
    with Image.open(chart) as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize(
    ("settings", "panels", "x_label"),
    [
        ([(1, None), (8, None)], {"": [1, 8]}, "environments"),
        ([(8, 1), (8, 2)], {"8 environments": [1, 2]}, "threads"),
        ([(1, 1), (1, 2), (8, 1), (8, 2)], {"1 thread": [1, 8], "2 threads": [1, 8]}, "environments"),
    ],
)
def test_charts_have_what_differs_below(settings, panels, x_label):
    ale, envpool = PACKAGES["ale-py"], PACKAGES["envpool"]
    results = []
    for number, pair in enumerate(settings):
        setting = bench_rounds.Setting("pong", *pair)
        results.append(bench_rounds.Measured(setting, ale, [100.0 + number], [10.0]))
        results.append(bench_rounds.Measured(setting, envpool, [200.0], [20.0 + number]))
    found, label = bench.bench_chart._split(results)
    assert label == x_label
    assert {title: list(lines["fastatari"]) for title, lines in found.items()} == panels
    for lines in found.values():
        assert list(lines) == ["fastatari", "ale-py", "envpool"]
        assert all(rates[0] < 200 for rates in lines["fastatari"].values())  # by the rules of the first package


def test_json_on_standard_output_is_alone_there(capsys):
    assert main(["bench", *QUICK, "ale-py", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["results"][0]["package"] == "ale-py"
    assert "the package" in err


def test_seconds_bound_a_measurement(capsys):
    begin = time.monotonic()
    assert main(["bench", "--envs", "2", "--seconds", "1.5", "--packages", "ale-py", "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)["results"][0]
    assert time.monotonic() - begin > 1.5
    assert len(result["ratios"]) >= 3


def test_every_package_is_equal_to_fastatari_and_ends(tmp_path):
    """In a process of its own, because it forks."""
    names = [name for name, package in PACKAGES.items() if are_installed(package.modules)]
    program = (
        "import os, subprocess, sys, threading; from fastatari.cli.main import main; "
        f"status = main(['bench', *{QUICK!r}, *{names!r}, '--json', 'a.json']); "
        "children = subprocess.run(['ps', '--ppid', str(os.getpid()), '-o', 'comm='], capture_output=True, text=True); "
        "print('left:', [each for each in children.stdout.split() if each != 'ps'], threading.active_count()); "
        "sys.exit(status)"
    )
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "left: [] 1" in done.stdout
    results = json.loads((tmp_path / "a.json").read_text())["results"]
    assert [(each["package"], len(each["ratios"])) for each in results] == [(name, 2) for name in names]


@pytest.mark.parametrize("field", ["observations", "rewards", "is_over"])
@pytest.mark.parametrize("after", [0, 30], ids=["at the check", "in the rounds"])
def test_what_is_not_equal_is_not_compared(package, capsys, field, after):
    def change(batch):
        return batch._replace(**{field: ~getattr(batch, field).astype(np.uint8)})

    package(changed(change, after))
    Changed.closed = 0
    assert main(["bench", *QUICK, "ale-py", "gymnasium-sync"]) == 1
    out, err = capsys.readouterr()
    when = "at the end" if after else "after 1 steps"
    assert err == f"fastatari bench: error: 2 environments: ale-py and fastatari differ {when}: {field}\n"
    rows = [line.split() for line in out.splitlines()]
    assert [row[1] for row in rows if row[:1] == ["2"]] == ["gymnasium-sync"]
    assert Changed.closed == 1


@pytest.mark.parametrize(("after", "rounds"), [(30, 0), (50, 0), (70, 1)])
def test_a_package_that_fails_in_a_round_plays_no_more(package, capsys, after, rounds):
    """With two environments 20 steps are compared, 21 warm up, 21 are a round."""
    package(changed(fail, after))
    Changed.closed = 0
    assert main(["bench", *QUICK, "ale-py", "gymnasium-sync", "--json", "-"]) == 1
    out, err = capsys.readouterr()
    assert err.endswith("fastatari bench: error: 2 environments: ale-py failed: RuntimeError: out of order\n")
    counts = {each["package"]: len(each["ratios"]) for each in json.loads(out)["results"]}
    assert counts == ({"ale-py": rounds} if rounds else {}) | {"gymnasium-sync": 2}
    assert Changed.closed == 1


def test_a_seed_that_one_package_refuses_is_told_after_the_others(capsys):
    arguments = [*QUICK, "ale-py", "gymnasium-sync", "--seed", str(2**31)]
    assert main(["bench", *arguments]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("fastatari bench: error: 2 environments: ")
    assert err.count("\n") == 1
    assert "ale" in err
    assert "gymnasium-sync" in out


def test_a_game_that_one_package_does_not_play_is_left_out(package, capsys):
    def refuse(*_):
        raise Refused("it has no dice")

    package(refuse)
    assert main(["bench", *QUICK, "ale-py", "gymnasium-sync"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "ale-py is left out: it has no dice" in out
    assert [row.split()[1] for row in out.splitlines() if row.split()[:1] == ["2"]] == ["gymnasium-sync"]


def test_envpool_does_not_play_high_screens():
    with pytest.raises(Refused, match=r"^envpool shows 210 rows of a screen, mr_do has 250$"):
        PACKAGES["envpool"].make("mr_do", 1, None, 1)


def test_packages_with_many_processes_are_left_out(capsys):
    arguments = ["--envs", "3", "--rounds", "1", "--packages", "gymnasium-async", "gymnasium-sync"]
    assert main(["bench", *arguments, "--most-processes", "2"]) == 0
    assert "gymnasium-async is left out with 3 environments, " in capsys.readouterr().out


def test_packages_that_are_not_installed(package, capsys):
    package(None, modules=("no_such_module",))
    assert main(["bench", "--envs", "2", "--rounds", "1", "--most-processes", "1"]) == 0
    assert "ale-py is not installed" in capsys.readouterr().out
    assert main(["bench", *QUICK, "ale-py"]) == 1
    message = 'ale-py: not installed; they come with: pip install "fastatari[verify]"'
    assert capsys.readouterr() == ("", f"fastatari bench: error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--game", "brekout"], "the closest is 'breakout'"),
        (["--envs", "0"], "argument --envs: must be a positive integer, got '0'"),
        (["--threads", "0"], "argument --threads: must be a positive integer, got '0'"),
        (["--seconds", "0"], "argument --seconds: must be a positive number of seconds, got '0'"),
        (["--seconds", "nan"], "argument --seconds: must be a positive number of seconds, got 'nan'"),
        (["--seconds", "1", "--rounds", "1"], "argument --rounds: not allowed with argument --seconds"),
        (["--packages", "gym"], "argument --packages: invalid choice: 'gym'"),
        (["--out", "a.jpg"], "argument --out: the name must end with .svg, .png, got 'a.jpg'"),
        (["--json", "no/such/a.json"], "argument --json: there is no folder 'no/such'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_arguments_are_named(capsys, arguments, message):
    assert message in find_argument_error(capsys, "bench", arguments)


def test_files_that_cannot_be_written_are_told_after_the_table(tmp_path, capsys):
    paths = [tmp_path / "full.json", tmp_path / "full.svg"]
    for path in paths:
        path.symlink_to("/dev/full")
    assert main(["bench", *QUICK, "ale-py", "--json", str(paths[0]), "--out", str(paths[1])]) == 1
    out, err = capsys.readouterr()
    assert "the package" in out
    assert err.splitlines() == [
        f"fastatari bench: error: cannot write {str(path)!r}: No space left on device" for path in paths
    ]


@pytest.mark.parametrize(("module", "arguments"), [("rich", []), ("matplotlib", ["--out", "a.svg"])])
def test_a_missing_package_names_the_extra(tmp_path, module, arguments):
    program = f"import sys; sys.modules[{module!r}] = None; from fastatari.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", program, "bench", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert 'it comes with: pip install "fastatari[bench]"' in done.stderr


# Signals.

INTERRUPTED = """
import signal, sys
from fastatari.cli import bench_machine, bench_rounds
from fastatari.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background jobs ignore
bench_machine.warn_before = list
bench_machine.warn_after = lambda *_: []
play = bench_rounds.Race.play
def play_and_tell(race, seconds, rounds, advance):
    def tell(share):
        advance(share)
        if race.rounds == 2:
            print("ready", flush=True)
    play(race, seconds, rounds, tell)
bench_rounds.Race.play = play_and_tell
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("number", "status", "err"), [(signal.SIGINT, 130, "interrupted\n"), (signal.SIGTERM, 143, "")]
)
def test_a_signal_ends_all_processes_and_leaves_what_was_measured(tmp_path, number, status, err):
    packages = ["ale-py", "gymnasium-async"]
    if number == signal.SIGINT and are_installed(PACKAGES["stable-baselines3"].modules):
        packages.append("stable-baselines3")
    arguments = ["--envs", "2", "--seconds", "10000", "--json", "a.json", "--out", "a.svg", "--packages", *packages]
    with subprocess.Popen(
        [sys.executable, "-P", "-c", INTERRUPTED, "bench", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        for line in process.stdout:
            if line == "ready\n":
                break
        assert len(_living(process.pid)) == 1 + 2 * (len(packages) - 1)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does
        else:
            process.send_signal(number)
        out, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (status, err)
    assert not _living(process.pid)
    assert "the package" in out
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["is_whole"] is False
    assert [each["package"] for each in document["results"]] == packages
    assert min(len(each["ratios"]) for each in document["results"]) >= 2
    assert (tmp_path / "a.svg").exists()


def _living(session):
    """Return the ids of the session's processes, without those that have ended and wait for their parent."""
    pids = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, stat_session, *_ = stat.read_text().rpartition(")")[2].split()
            if int(stat_session) == session and state != "Z":
                pids.append(stat.parent.name)
    return pids


# The rounds.


def test_rounds_begin_with_another_package_each(monkeypatch):
    order = []
    play = bench_rounds.Runner.play
    names = {}

    def note(runner, batches):
        order.append(names[runner])
        return play(runner, batches)

    monkeypatch.setattr(bench_rounds.Runner, "play", note)
    monkeypatch.setattr(bench_rounds, "_ROUND_STEPS", 8)
    with bench_rounds.Race(bench_rounds.Setting("pong", 2, 1), 1) as race:
        race.add([PACKAGES["ale-py"], PACKAGES["gymnasium-sync"]])
        for letter, pair in zip("ab", race._pairs, strict=True):
            names[pair.ours], names[pair.theirs] = letter.upper(), letter
        race.play(None, 4, lambda _: None)
        results = race.list_results()
    rounds = ["".join(order[first : first + 4]) for first in range(0, len(order), 4)]
    assert rounds == ["aAbB", "BbAa", "aAbB", "BbAa", "aAbB"]
    assert [len(result.ratios) for result in results] == [4, 4]
    assert threading.active_count() == 1


def test_rates_are_steps_of_all_environments(monkeypatch):
    class Player:
        def begin(self):
            return None

        def step(self, actions):
            clock[0] += 0.01
            seen.append(actions.tolist())

    clock, seen = [0.0], []
    monkeypatch.setattr(bench_rounds.time, "perf_counter", lambda: clock[0])
    runner = bench_rounds.Runner(Player(), np.arange(6, dtype=np.int32).reshape(2, 3))
    assert runner.play(5) == pytest.approx(300)  # 3 environments, 100 batches a second
    assert seen == [[0, 1, 2], [3, 4, 5]] * 3  # with the one that does not count


# The machine.


@pytest.fixture
def write(tmp_path):
    """Writes files of a machine into a folder."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    return write


def reading(**fields):
    return bench_machine.Reading(0.0, 0.0, 0.0, 0, 0.0)._replace(**fields)


@pytest.fixture
def real(monkeypatch):
    """The functions that the other tests are without."""
    monkeypatch.undo()


TICK = os.sysconf("SC_CLK_TCK")


@pytest.mark.usefixtures("real")
def test_a_busy_machine_is_told(tmp_path, write, monkeypatch):
    write("proc/stat", f"cpu  {5 * TICK} 0 0 {9 * TICK} 0 0 0 0 0 0\n")
    assert bench_machine.warn_before(tmp_path, 0.01) == []

    def work(_):
        # A second, of which this process had none, and one of idleness.
        write("proc/stat", f"cpu  {6 * TICK} 0 0 {10 * TICK} 0 0 0 0 0 0\n")

    times = iter([0.0, 0.5])
    monkeypatch.setattr(bench_machine.time, "sleep", work)
    monkeypatch.setattr(bench_machine.time, "monotonic", lambda: next(times))
    [warning] = bench_machine.warn_before(tmp_path)
    assert warning.startswith("the machine is busy: other processes use ")
    assert float(warning.split()[7]) == pytest.approx(2.0, abs=0.1)


@pytest.mark.usefixtures("real")
def test_without_proc_the_load_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_machine.os, "getloadavg", lambda: (3.14, 0, 0), raising=False)
    assert bench_machine.warn_before(tmp_path, 0) == [
        "the machine is busy: a load of 3.1 in the last minute; figures will vary"
    ]
    monkeypatch.setattr(bench_machine.os, "getloadavg", lambda: (0.01, 0, 0))
    assert bench_machine.warn_before(tmp_path, 0) == []


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"},
        {
            "proc/self/cgroup": "1:cpu,cpuacct:/a\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_a_quota_is_told(tmp_path, write, monkeypatch, files):
    for path, text in files.items():
        write(path, text)
    write("proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\n")
    monkeypatch.setattr(bench_machine, "_count_allowed", lambda: 2)
    assert bench_machine.warn_before(tmp_path, 0.01) == [
        "a CPU quota allows 1.5 of 2 cores: packages that start more threads than that are throttled"
    ]
    monkeypatch.setattr(bench_machine, "_count_allowed", lambda: 1)
    assert bench_machine.warn_before(tmp_path, 0.01) == []


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    ("version", "group", "stat"),
    [
        (2, "0::/a\n", "nr_periods 9\nnr_throttled {}\nthrottled_usec {}000000\n"),
        (1, "1:cpu:/a\n", "nr_periods 9\nnr_throttled {}\nthrottled_time {}000000000\n"),
    ],
)
def test_throttling_is_told(tmp_path, write, version, group, stat):
    path = f"sys/fs/cgroup/{'cpu/' * (version == 1)}a/cpu.stat"
    write("proc/self/cgroup", group)
    write(path, stat.format(3, 1))
    before = bench_machine.read(tmp_path)
    write(path, stat.format(7, 4))
    assert bench_machine.warn_after(before, bench_machine.read(tmp_path)) == [
        "while measuring, the CPU quota was used up 4 times: throttled for 3.0 s"
    ]
    assert bench_machine.warn_after(before, before) == []


@pytest.mark.usefixtures("real")
def test_other_processes_are_those_that_are_not_this_one_and_its_children():
    before = reading(time=10.0, busy=100.0, own=5.0)
    assert bench_machine.warn_after(before, reading(time=20.0, busy=120.0, own=24.0)) == []  # 1 second of 10
    assert bench_machine.warn_after(before, reading(time=20.0, busy=120.0, own=10.0)) == [
        "while measuring, other processes used 1.5 cores on average"
    ]
    assert bench_machine.count_other_cores(before, reading(time=20.0, busy=None)) is None


def test_the_real_machine_can_be_read():
    reading = bench_machine.read()
    assert reading.own > 0
    assert (reading.busy or 1) > 0
    assert int(bench_machine.describe_machine()["cores"]) >= 1


def test_warnings_are_printed_and_saved(capsys, monkeypatch):
    monkeypatch.setattr(bench_machine, "warn_before", lambda: ["before it"])
    monkeypatch.setattr(bench_machine, "warn_after", lambda *_: ["after it"])
    assert main(["bench", *QUICK, "ale-py", "--json", "-"]) == 0
    out, err = capsys.readouterr()
    lines = err.splitlines()
    table = next(number for number, line in enumerate(lines) if "the package" in line)
    assert lines.index("fastatari bench: warning: before it") < table
    assert lines.index("fastatari bench: warning: after it") > table
    assert json.loads(out)["warnings"] == ["before it", "after it"]


def test_packages_of_the_parser_are_those_that_there_are():
    assert all(isinstance(package, OtherPackage) for package in PACKAGES.values())
    assert tuple(PACKAGES) == bench_players.BENCH_PACKAGES
