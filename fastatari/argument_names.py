"""What the arguments of other packages are called here, for the errors about arguments that do not exist.

The other packages are gymnasium, ale-py, envpool, stable-baselines3, Dopamine, and scripts such as CleanRL's. Arguments
that the environments had before they became threads of one process are here, too.
"""

import difflib
from collections.abc import Iterable
from typing import Final

_SCREEN_SIZE: Final = "`screen_size`, one side or (width, height)"
_LIFE_LOSS: Final = "`life_loss`: 'reset' begins a new game after each lost life, 'continue' goes on with the game"
_BUDGET: Final = "`max_episode_steps`, or `max_num_frames_per_episode`"
_NO_PROCESSES: Final = "environments are threads of one process, so no worker can be started, waited for or restarted"

# What is called something here, and its other names.
_OTHER_NAMES: Final = {
    "`frame_skip`": ("frameskip", "skip", "action_repeat", "num_repeats", "repeat"),
    "`maxpool`": ("maxpooling", "max_pool", "max_pooling", "pool_frames"),
    "`grayscale_obs`": ("grayscale", "gray_scale", "greyscale", "gray_obs", "color", "rgb"),
    "`scale_obs`": ("scale", "scaled", "scaled_float_frame", "normalize", "normalize_obs", "scale_float"),
    _SCREEN_SIZE: (
        *("img_height", "img_width", "screen_height", "screen_width", "height", "width"),
        *("img_size", "image_size", "obs_size", "obs_shape", "observation_shape", "frame_size", "resize", "shape"),
    ),
    "`stack_num`": (
        *("stack_size", "num_stack", "n_stack", "framestack", "frame_stack", "frame_stack_num", "num_frames"),
        *("num_stack_frames", "history_length", "history_len"),
    ),
    "`stack_axis`: 0 for planes first, -1 for planes last": ("channels_order", "channels_first", "channel_first"),
    "`stack_num=1` with `stack_axis=-1`, for observations of shape (height, width, 1)": (
        "grayscale_newaxis",
        "keep_dim",
    ),
    "`padding_type`": ("padding", "pad_type", "padding_mode"),
    "`order='max-resize-gray'`": ("use_ppo_preprocessing",),
    "`noop_max`": ("noops", "noop", "num_noops", "max_noops", "noop_num", "noop_reset", "max_random_noops"),
    "`fire_reset`: how FIRE is pressed after a reset, 'never' for not at all": (
        *("use_fire_reset", "fire", "fire_on_reset", "press_fire"),
    ),
    _LIFE_LOSS: (
        *("episodic_life", "episode_life", "terminal_on_life_loss", "terminate_on_life_loss", "done_on_life_loss"),
        *("end_on_life_loss", "life_done", "truncate_on_loss_of_life"),
    ),
    "`life_loss='report'`": ("life_loss_info", "zero_discount_on_life_loss", "life_loss_terminal"),
    "`reward_clip`": ("clip_reward", "clip_rewards", "reward_clipping", "clip", "min_reward", "max_reward"),
    "`max_num_frames_per_episode`": ("max_num_frames", "max_frames", "max_frames_per_episode"),
    _BUDGET: ("max_episode_length", "episode_length", "max_steps", "max_path_length", "time_limit", "horizon"),
    "`repeat_action_probability`; 0.25 is the usual one": (
        *("sticky_actions", "sticky_action", "sticky", "sticky_action_prob", "sticky_actions_prob", "sticky_prob"),
        *("action_repeat_probability", "repeat_action_prob", "repeat_prob"),
    ),
    "`full_action_space`": ("full_action_set", "full_actions", "all_actions"),
    "`game`": (
        *("env_id", "env_name", "game_name", "game_id", "task_id", "task", "id", "name", "rom", "rom_path", "rom_file"),
        *("env", "environment", "venv", "env_fn", "env_fns"),
    ),
    "`num_envs`, of `AtariVectorEnv`": ("n_envs", "num_env", "n_env", "nenvs", "nenv", "num_environments"),
    "`num_threads`, of `AtariVectorEnv`": ("num_workers", "n_threads", "n_workers", "num_processes", "max_concurrency"),
    "`autoreset_mode`, of `AtariVectorEnv`": ("autoreset", "auto_reset"),
    "`reset(seed=...)`": ("seed", "env_seed", "random_seed", "seeds", "rng"),
    "`render_mode`": ("render", "display_screen"),
    "`episode_statistics`": ("record_episode_statistics", "record_statistics", "stats_key", "buffer_length"),
    "`info_ram`": ("ram", "ram_info", "return_ram"),
}

# Why there is no such thing here, and how it is called elsewhere.
_MISSING: Final = {
    _NO_PROCESSES: (
        *("context", "timeout", "start_timeout", "restart_workers", "start_method", "daemon", "shared_memory"),
        *("asynchronous", "worker", "observation_mode"),
    ),
    "every reset is exact, so there is nothing to choose": ("start_states", "resets"),
    "which cores threads run on is decided here": ("thread_affinity_offset",),
    "screens are always area-resized (cv2's INTER_AREA)": ("use_inter_area_resize", "interpolation"),
    "there is no sound; ale-py's AtariEnv has it": ("sound", "sound_obs"),
    "games are played by one player": ("max_num_players", "num_players"),
    "the ROMs are those that ale-py brings along": ("base_path", "rom_dir"),
    "`reset` and `step` return what gymnasium's do": ("gym_reset_return_info", "env_type", "new_step_api"),
    "`render` shows the whole screen of the console": (
        *("render_env_id", "render_width", "render_height", "render_camera_id"),
    ),
    "the environments have the rules of a preset, and are not wrapped": (
        *("wrapper_class", "wrapper_kwargs", "wrappers", "env_kwargs", "vec_env_cls", "vec_env_kwargs"),
        *("monitor_dir", "monitor_kwargs", "start_index", "vectorization_mode", "vector_kwargs"),
        *("disable_env_checker", "repeat_action_duration"),
    ),
}

# Arguments of the environments that are not rules.
_INTERFACES: Final = {
    "`AtariEnv` and `AtariVectorEnv`": ("game", "preset", "console", "render_mode", "episode_statistics", "info_ram"),
    "`AtariVectorEnv`": ("num_envs", "num_threads", "batch_size", "autoreset_mode", "copy"),
}

_HINTS: Final = {
    **{name: f"here it is {here}" for here, names in _OTHER_NAMES.items() for name in names},
    **{name: f"there is no such thing here: {reason}" for reason, names in _MISSING.items() for name in names},
    **{name: f"it is an argument of {place} only" for place, names in _INTERFACES.items() for name in names},
}


def check_argument_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Check that arguments given by name exist.

    Args:
        given (Iterable[str]): their names.
        known (Iterable[str]): the names of all that exist.

    Raises:
        TypeError: one does not. If another package has an argument of that name, or if its name is close to one that
            exists, the error says so.
    """
    known = list(known)
    for name in given:
        if name not in known:
            hint = _HINTS.get(name)
            if hint is None:
                candidates = [*known, *(other for names in _INTERFACES.values() for other in names)]
                closest = difflib.get_close_matches(name, candidates, 1, 0.7)
                hint = f"the closest argument is {closest[0]!r}" if closest else "no argument has a name like that"
            raise TypeError(f"got an unexpected keyword argument {name!r}; {hint}")
