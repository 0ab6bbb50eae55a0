"""Random rules, and the games to play them with."""

import contextlib

from fastatari import AtariRules

# Where the number of lives is, in RAM, and what is written there, so that lives are lost and won.
LIVES = {
    "breakout": (0x39, range(6)),
    "seaquest": (0x3B, range(7)),
    "space_invaders": (0x49, range(4)),
    "ms_pacman": (0x7B, range(8)),
    "name_this_game": (0x47, range(8)),  # its resets play starting actions
    "pacman": (0x18, range(6)),  # so do these
    "phoenix": (0x4B, range(8)),  # goes on without lives
}
# Among them are a PAL game, one without FIRE and lives, and one whose resets draw from the emulator's generator.
GAMES = [*LIVES, "air_raid", "freeway", "berzerk"]

MODES = {"breakout": 12, "space_invaders": 2, "ms_pacman": 1, "air_raid": 3, "freeway": 5, "berzerk": 9}
DIFFICULTIES = {"breakout": 1, "seaquest": 1, "freeway": 1}


def draw_fields(draw, game):
    """Return a random value of each field of the rules."""
    budget = draw.choice([0, 108_000, *(draw.randint(1, 200) for _ in range(4))])
    # Where no-ops use it up, ale-py loads the ROM once more for each of them, which takes as long as many steps.
    most_noops = 6 if 0 < budget <= 200 else 30
    return {
        "obs_type": draw.choices(["screen", "ram"], [8, 1])[0],
        "frame_skip": draw.choice([1, 2, 3, 4, 4, 4, 5, 17]),
        "maxpool": draw.choices([True, False], [4, 1])[0],
        "order": draw.choice(["gray-resize-max", "gray-max-resize", "max-gray-resize", "max-resize-gray"]),
        "gray": draw.choice(["cv2", "ale", "gymnasium"]),
        "screen_size": draw.choice([84, 84, 64, (96, 70), (160, 210), 1]),
        "grayscale_obs": draw.choices([True, False], [4, 1])[0],
        "scale_obs": draw.choices([True, False], [1, 4])[0],
        "stack_num": draw.choice([1, 2, 4, 4, 5]),
        "stack_axis": draw.choice([0, -1]),
        "padding_type": draw.choice(["reset", "zero"]),
        "noop_max": draw.choice([0, 1, 2, 6, most_noops]),
        "noop_range": draw.choice(["1..max", "0..max-1"]),
        "noop_unit": draw.choices(["frame", "step"], [3, 1])[0],
        "fire_reset": draw.choice(["never", "frame_before", "frame_after", "steps_after"]),
        "life_loss": draw.choice(["ignore", "reset", "continue", "continue", "report"]),
        "life_unit": draw.choice(["frame", "step"]),
        "life_reference": draw.choice(["frame", "step", "reset"]),
        "counts_last_life": draw.choice([True, False]),
        "going_on": draw.choice(["noop_step", "opening"]),
        "end_rule": draw.choice(["discard", "capture", "stale"]),
        "screens_at_reset": draw.choice(["clear", "keep", "keep"]),
        "end_priority": draw.choice(["both", "truncated"]),
        "reward_clip": draw.choice([True, False]),
        "max_num_frames_per_episode": budget,
        "frame_budget": draw.choice(["game", "steps"]),
        "max_episode_steps": draw.choice([None, None, draw.randint(1, 40)]),
        "repeat_action_probability": draw.choice([0.0, 0.0, 0.25, 0.25, 1.0]),
        "sticky_draws": draw.choice(["emulator", "np_random"]),
        "seeding": draw.choice(["gymnasium", "ale"]),
        "full_action_space": draw.choices([True, False], [1, 4])[0],
        "continuous": draw.choices([True, False], [1, 1 if game == "breakout" else 6])[0],
        "continuous_action_threshold": draw.choice([0.5, 0.5, 0.0, 0.3, 1.0]),
        "mode": draw.choice([None, None, MODES.get(game)]),
        "difficulty": draw.choice([None, DIFFICULTIES.get(game)]),
    }


def draw_rules(draw, game):
    """Return random rules that are allowed."""
    while True:
        with contextlib.suppress(ValueError):
            return AtariRules(**draw_fields(draw, game))
