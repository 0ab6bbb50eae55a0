"""Measures fastatari: each figure that the documents give is the output of a command here.

Commands, run from the repository as ``python -m benchmarks.vectors``; ``--help`` explains each:

* `vectors`: `AtariVectorEnv` beside vector environments of other packages.
* `console_share`: steps beside the console alone.
* `ratios`: steps, resets and stacks beside the pipelines that they replace; copies of states; resets of all ROMs.
* `threads`: ways to hand a batch to threads.
* `starting`: compiling from nothing, the first step of a process, many environments and their memory.
* `console`: the console beside ale-py's; `console_races` and `console_parts` are its parts.
* `write_golden`: writes the hashes of ``fastatari verify``.

What they are made of:

* `command`: arguments, sections, files of results, foreign load. `timing`: rounds, ratios, tables. `chart`: charts.
* `interfaces`: what is measured of fastatari.
* `other_packages`, `vector_rounds`: vector environments, and rounds that they play in turn.
* `consoles_alone`: consoles that play frames and nothing else.
* `pipelines`, `workers`: what fastatari replaces, beside it.
* `test_steps`: the same steps for pytest-benchmark.
"""
