"""The interfaces: what people train with, on an engine.

* `env`: `AtariEnv`, gymnasium's environment.
* `vector`: `AtariVectorEnv`, gymnasium's vector environment; `sub_environments`: its environments by themselves;
  `batches`: how it waits for a batch; `vector_states`: its saved states.
* `game`: `Game`, labml's.
* `worker`: `Worker`, a `Game` in a process of its own; `worker_connection`: the caller's end; `worker_server`: the
  child's.
* `registration`: the ids under which gymnasium makes the environments.
* `base`: what the environments have in common.
* `actions`, `arguments`: what callers give, and its checks.
* `spaces`: the spaces of batches.
* `infos`, `buffers`: what callers get: an engine's results as infos, and memory for observations.
* `states`: saved states as bytes.
"""
