"""Replay: transitions of many environments, whose planes are stored once, and whose stacks are put together again.

* `buffer`: `ReplayBuffer`, and what it returns.
* `planes`: the planes of each environment in a ring buffer; stacks of them.
* `transitions`: what else a transition is made of, in ring buffers beside these.
* `priorities`: the priorities of prioritised sampling, in a sum tree.
* `files`: a buffer in a file, as plain data.
"""
