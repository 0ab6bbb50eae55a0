"""The errors about arguments that do not exist here, such as those that other packages have."""

import dataclasses
import inspect
import re

import pytest

from fastatari import argument_names
from fastatari.argument_names import check_argument_names
from fastatari.rules import AtariRules

FIELDS = [field.name for field in dataclasses.fields(AtariRules)]

# Classes and functions of other packages that make an Atari environment, and their arguments.
OTHERS = {
    "gymnasium.wrappers.AtariPreprocessing": "env noop_max frame_skip screen_size terminal_on_life_loss grayscale_obs "
    "grayscale_newaxis scale_obs",
    "gymnasium.wrappers.FrameStackObservation": "env stack_size padding_type",
    "ale_py.env.AtariEnv": "game mode difficulty obs_type frameskip repeat_action_probability full_action_space "
    "continuous continuous_action_threshold max_num_frames_per_episode render_mode sound_obs",
    "ale_py.vector_env.AtariVectorEnv": "game num_envs batch_size num_threads thread_affinity_offset "
    "max_num_frames_per_episode repeat_action_probability full_action_space continuous continuous_action_threshold "
    "autoreset_mode img_height img_width grayscale stack_num frameskip maxpool noop_max episodic_life life_loss_info "
    "reward_clipping use_fire_reset",
    "stable_baselines3.common.atari_wrappers.AtariWrapper": "env noop_max frame_skip screen_size "
    "terminal_on_life_loss clip_reward action_repeat_probability",
    "stable_baselines3.common.env_util.make_atari_env": "env_id n_envs seed start_index monitor_dir wrapper_kwargs "
    "env_kwargs vec_env_cls vec_env_kwargs monitor_kwargs",
    "stable_baselines3.common.vec_env.VecFrameStack": "venv n_stack channels_order",
}
# gymnasium's wrappers and vector environments.
GYMNASIUM = (
    "env min_reward max_reward max_episode_steps shape keep_dim skip repeat_action_probability repeat_action_duration "
    "buffer_length stats_key id num_envs vectorization_mode vector_kwargs wrappers env_fns shared_memory copy context "
    "daemon worker observation_mode autoreset_mode max_concurrency"
)
DOPAMINE = "game_name sticky_actions environment frame_skip terminal_on_life_loss screen_size stack_size"
ENVPOOL = (
    "num_envs batch_size num_threads max_num_players thread_affinity_offset base_path seed env_seed env_type task_id "
    "gym_reset_return_info max_episode_steps stack_num frame_skip noop_max zero_discount_on_life_loss episodic_life "
    "reward_clip use_fire_reset img_height img_width task mode difficulty full_action_space repeat_action_probability "
    "use_inter_area_resize gray_scale render_mode render_env_id render_width render_height render_camera_id"
)
# Those of scripts (CleanRL's, RLlib's, baselines') and of fastatari 0.1.
SCRIPTS = (
    "env_id num_envs num_env frame_stack framestack num_stack clip_rewards episode_life scale noops maxpooling "
    "screen_width screen_height sticky_actions num_workers context timeout start_timeout restart_workers start_states"
)
NOT_HERE = {
    "sound_obs": "there is no such thing here: there is no sound; ale-py's AtariEnv has it",
    "thread_affinity_offset": "there is no such thing here: which cores threads run on is decided here",
    "use_inter_area_resize": "there is no such thing here: screens are always area-resized (cv2's INTER_AREA)",
    "timeout": "there is no such thing here: environments are threads of one process, so no worker can be started, ",
    "restart_workers": "there is no such thing here: environments are threads of one process, so no worker can be ",
    "num_workers": "here it is `num_threads`, of `AtariVectorEnv`",
    "frameskip": "here it is `frame_skip`",
    "img_height": "here it is `screen_size`, one side or (width, height)",
    "episodic_life": "here it is `life_loss`: 'reset' begins a new game after each lost life, 'continue' goes on with",
    "stack_size": "here it is `stack_num`",
    "clip_reward": "here it is `reward_clip`",
    "grayscale": "here it is `grayscale_obs`",
    "env_id": "here it is `game`",
    "n_envs": "here it is `num_envs`, of `AtariVectorEnv`",
    "seed": "here it is `reset(seed=...)`",
    "num_envs": "it is an argument of `AtariVectorEnv` only",
    "render_mode": "it is an argument of `AtariEnv` and `AtariVectorEnv` only",
    "frame_skp": "the closest argument is 'frame_skip'",
    "rewardclip": "the closest argument is 'reward_clip'",
    "num_thread": "the closest argument is 'num_threads'",
    "autoreset_modes": "the closest argument is 'autoreset_mode'",
    "gamma": "no argument has a name like that",
    "": "no argument has a name like that",
}


def interface_arguments():
    return {name for names in argument_names._INTERFACES.values() for name in names}


@pytest.mark.parametrize(("name", "hint"), NOT_HERE.items())
def test_an_argument_that_does_not_exist_gets_an_error_that_says_what_it_is_called_here(name, hint):
    message = f"got an unexpected keyword argument {name!r}; {hint}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}"):
        AtariRules.from_preset("gymnasium", **{name: 4})


def test_arguments_are_accepted_when_they_are_known():
    check_argument_names(["frame_skip", "num_envs"], ["num_envs", "frame_skip", "gray"])
    with pytest.raises(TypeError, match=r"^got an unexpected keyword argument 'grey'; the closest argument is 'gray'$"):
        check_argument_names(["num_envs", "grey"], ["num_envs", "frame_skip", "gray"])


@pytest.mark.parametrize("path", OTHERS)
def test_every_argument_of_another_package_exists_here_or_is_explained(path):
    explained = argument_names._HINTS.keys() | set(FIELDS)
    assert set(OTHERS[path].split()) - explained == set()
    module, _, name = path.rpartition(".")
    parameters = inspect.signature(getattr(pytest.importorskip(module), name)).parameters
    assert parameters.keys() - explained == set()


@pytest.mark.parametrize("arguments", [GYMNASIUM, DOPAMINE, ENVPOOL, SCRIPTS])
def test_every_argument_of_wrappers_and_scripts_exists_here_or_is_explained(arguments):
    assert set(arguments.split()) - argument_names._HINTS.keys() - set(FIELDS) == set()


def test_every_foreign_name_is_explained_once_and_is_not_a_name_of_ours():
    tables = argument_names._OTHER_NAMES, argument_names._MISSING
    names = [name for table in tables for group in table.values() for name in group]
    assert len(names) == len(set(names))
    assert set(names).isdisjoint({*FIELDS, *interface_arguments()})
    assert interface_arguments().isdisjoint(FIELDS)


def test_what_foreign_names_are_called_here_exists():
    for text in argument_names._OTHER_NAMES:
        for name in re.findall(r"`(\w+)(?:=[^`]*)?`", text):
            assert name in {*FIELDS, *interface_arguments(), "AtariVectorEnv"}, text


def test_values_that_the_errors_suggest_are_allowed():
    assert AtariRules(order="max-resize-gray", gray="cv2", life_loss="report", fire_reset="never")
    assert AtariRules(stack_num=1, stack_axis=-1).shape == (84, 84, 1)
