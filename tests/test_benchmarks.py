"""The benchmarks measure; here they only have to run, and to find what they compare equal."""

import multiprocessing

import ale_py
import breakdown
import console_parts
import console_races
import crews
import numpy as np
import presets
import pytest
import races
import rivals
import vectors

import fastatari
from fastatari import AtariEnv
from fastatari.rules import AtariRules


@pytest.fixture(autouse=True)
def forked(monkeypatch):
    monkeypatch.setattr(multiprocessing, "Process", multiprocessing.get_context("fork").Process)


@pytest.mark.parametrize("name", rivals.RIVALS)
def test_rivals_are_equal(name):
    rival = rivals.RIVALS[name]
    pytest.importorskip(rival.module)
    result = races.race("breakout", 2, [rival], rounds=1, steps=20)
    assert all(len(times) == 1 for times in result.times.values())
    assert {breakdown.ACT_ALONE, races.POOLED, name, races.name_ours(name)} == result.times.keys()


def test_parts_of_rivals_are_equal():
    result = races.race("pong", 4, [rivals.RIVALS[rivals.ALE]], rounds=1, steps=20, batch_size=2, policy=0.001)
    assert breakdown.ACT_ALONE not in result.times
    assert min(map(min, result.times.values())) > 500


def test_a_difference_is_found():
    rival = rivals.RIVALS[rivals.ALE]
    actions = np.zeros((1, 2), np.int32)
    player = rival._replace(fields={"preset": "ale", "noop_max": 3}).make_ours("breakout", 2, 2)
    other = rival.make("breakout", 2, 2)
    contenders = [races.Contender(each, 2, actions) for each in (player, other)]
    with pytest.raises(AssertionError, match="ale-py and fastatari differ"):
        races.check(rival, *contenders, 2)
    player.close(), other.close()


@pytest.mark.parametrize("batch_size", [2, 4])
def test_the_time_of_cores_is_accounted_for(batch_size):
    account = races.account("pong", 4, batch_size, 2, 400)
    assert [len(column) for column in account[2:]] == [2] * 5
    for round_number in range(2):
        total, caller, work, idle, act_alone = (column[round_number] for column in account[2:])
        assert min(total, work, act_alone) > 0
        assert -0.1 * total < idle < total
        assert (caller > 0) == (batch_size < 4)
        assert caller + work + idle == pytest.approx(total)


def test_a_start_is_measured():
    seconds, megabytes = vectors.start(breakdown.OURS, 2)
    assert 0 < seconds < 10
    assert 20 < megabytes < 2000


def test_a_missing_rival_names_the_extra(monkeypatch, capsys):
    monkeypatch.setattr(rivals, "RIVALS", rivals.RIVALS | {"envpool": rivals.RIVALS["envpool"]._replace(module="none")})
    monkeypatch.setattr("sys.argv", ["vectors.py", "--rivals", "envpool"])
    with pytest.raises(SystemExit):
        vectors.main()
    assert "none missing; `pip install 'fastatari[bench-vectors]'` brings it" in capsys.readouterr().err


def test_limits_are_measured():
    (result,) = breakdown.measure(["breakout"], 1, 10)
    assert min(result.steps[breakdown.ACT_ALONE]) > 0
    none = {breakdown.RESET, breakdown.READ, breakdown.QUERY, breakdown.GYMNASIUM}
    assert {part for part, (time,) in result.parts[breakdown.OURS].items() if not time} == none
    assert result.parts[breakdown.OURS][breakdown.CONSOLE] > result.parts[breakdown.OURS][breakdown.STACK]
    (race,) = crews.measure("breakout", [2], 1, 20)
    assert set(race.steps) == set(crews.KINDS)
    (costs,) = presets.measure(["breakout"], 1, 20)
    assert set(costs.more) == set(presets.OTHERS)


@pytest.mark.parametrize("make", [lambda: fastatari.Game(0, console="ale"), lambda: AtariEnv("pong", console="ale")])
def test_act_alone_plays_what_is_played(monkeypatch, make):
    for module in (fastatari.env, fastatari.game):
        monkeypatch.setattr(module, "Engine", breakdown.NotedEngine)
    scout = make()
    act_alone = breakdown.ActAlone(scout.advance if isinstance(scout, fastatari.Game) else scout.step, scout._engine, 0)
    assert type(scout._engine.console.ale) is type(act_alone._console.ale) is ale_py.ALEInterface
    act_alone.plan([0, 1, 1])
    ((_, frames),) = scout._engine.episodes
    assert frames == [scout._engine.console.actions[action] for action in [0] * 4 + [1] * 8]
    microseconds, results = act_alone.play([0, 1, 1])
    assert microseconds > 0
    assert not results
    assert act_alone._console.frame_number == scout._engine.console.frame_number


def test_workers_that_only_act_go_on_after_the_end():
    engine = crews.ActOnly("pong", AtariRules.from_preset("labml"))
    assert type(engine.console.ale) is ale_py.ALEInterface
    engine.reset()
    begin = engine.console.episode_frame_number
    while engine.console.episode_frame_number < begin + 2000:
        assert engine.step(0) == (0.0, False, False)
    while engine.console.episode_frame_number > begin:
        engine.step(0)
    assert not engine.console.game_over()


def test_the_console_is_raced():
    speed = console_races.race("breakout", 1, 5)
    assert {name: len(times) for name, times in speed.times.items()} == dict.fromkeys(
        (console_races.ACT, console_races.ACT_READ, console_races.CLASS, *console_races.MASKS), 1
    )
    assert speed.cartridge == "2K"
    threads = console_races.race_threads("pong", 1, 5, 2)
    assert min(*threads.ratios, *map(min, threads.times)) > 0


def test_a_difference_of_the_console_is_found(monkeypatch):
    monkeypatch.setattr(console_races, "PADDLE_STEP", 0)
    with pytest.raises(AssertionError, match=r"breakout, frame \d+: the RAM differs"):
        console_races.check_equal("breakout")


def test_parts_of_the_console_are_measured():
    loading = console_parts.measure_loading("pong", 1)
    assert loading.ale[0] > loading.again[0] > 0
    copies = console_parts.measure_copies("pong", 1, 5)
    assert copies.ale_read[0] > copies.raw[0] > 0
    counts = console_parts.count("pong", 1, plain_frames=1)
    assert counts.instructions > counts.tia_writes > counts.tia_reads > 0
