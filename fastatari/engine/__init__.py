"""Environments of one game: console, pictures and rules put together into steps and resets.

An engine holds any number of environments of one game under one set of rules.

* `interface`: what an engine is.
* `results`: what it writes beside observations, and the one table of what an info holds.
* `making`: the engine that an environment plays on.

The compiled engine: plain functions over structures, compiled into one module, which runs without the GIL.

* `state`: an environment, and what all of an engine have in common, as plain data.
* `setup`: the rules as numbers.
* `stepping`: a step, and resets where they are due.
* `opening`: resets: a new game or going on, no-ops, FIRE.
* `pictures`: which screens planes are made of, and the ring of planes.
* `queue`: the queue from which threads take environments.
* `machine_code`: these functions, compiled.
* `arrays`: the memory that they read and write.
* `loading`: a game's ROM, loaded once for all environments.
* `seeding`: what environments draw from.
* `threads`: the threads.
* `compiled`: `CompiledEngine`, which has all this.
* `clones`, `copying`: copies of environments, in memory and as bytes.

The plain engine: the same rules on ale-py's emulator, slow and obvious.

* `plain`: `PlainEngine`.
* `plain_environment`: one environment; its step is what the compiled one computes.
* `plain_console`: ale-py's emulator.
* `plain_states`: saved states.
"""
