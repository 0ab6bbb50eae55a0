"""Environments in the forms that frameworks ask for. No module is imported unless it is asked for.

* `sb3`: stable-baselines3's `VecEnv`; `sb3_replay`: its replay buffer, with planes stored once.
* `cleanrl`: infos in gymnasium 0.29's form.
* `envpool`: envpool's API; `envpool_base`: what its three forms have in common; `envpool_spec`: its arguments;
  `envpool_xla`: its steps for JAX.
* `ray_vector`: environments in Ray's actors; `ray_group`: an actor as the caller sees it; `ray_actor`: what is in an
  actor, and travels.
* `rllib`: ids and a connector for RLlib.
* `checks`: what adapters check.
"""
