"""`make_engine`: the engine that an environment plays on."""

from gymnasium.vector import AutoresetMode

from fastatari.checks import check_choice
from fastatari.engine.interface import CONSOLES, ConsoleName, Engine
from fastatari.engine.plain import PlainEngine
from fastatari.rules import AtariRules


def make_engine(
    game: str,
    rules: AtariRules,
    num_envs: int,
    autoreset_mode: AutoresetMode,
    *,
    console: ConsoleName = "fastatari",
    num_threads: int | None = 0,
    is_shown: bool = False,
    has_times: bool = False,
) -> Engine:
    """Return an engine.

    Args:
        game (str): the name of the game, as for `find_rom`.
        rules (AtariRules): all that decides what is computed.
        num_envs (int): how many environments, at least 1.
        autoreset_mode (AutoresetMode): when an environment is reset after the end of an episode.
        console ("fastatari" | "ale"): whose emulator plays.
        num_threads (int | None): how many threads play; 0 for the caller's alone; None for as many as there are cores
            and environments. ale-py's emulator is played by the caller's.
        is_shown (bool): whether ale-py shows every frame in a window; only with ``"ale"``.
        has_times (bool): whether `Results` hold the seconds of an episode.

    Returns:
        Engine: the engine; all its environments need a reset.

    Raises:
        TypeError: `game` is not a string.
        ValueError: ale-py has no such game, or refuses it; the game has no such mode or difficulty; planes are larger
            than screens; or `console` is another.
        MemoryError: there is not enough memory.
        OSError: the ROM's file is missing, or is not the one that ale-py knows.
    """
    check_choice("console", console, CONSOLES)
    if console == "ale":
        return PlainEngine(game, rules, num_envs, autoreset_mode, is_shown, has_times)
    # Only who plays on this console loads its machine code, or waits until it is compiled.
    from fastatari.engine.compiled import CompiledEngine  # noqa: PLC0415

    engine: Engine = CompiledEngine(game, rules, num_envs, autoreset_mode, num_threads=num_threads, has_times=has_times)
    return engine
