"""The processor: a 6507, twice. As plain steps, and as handlers of predecoded instructions that call one another.

What an instruction is:

* `opcodes`: the table: mnemonic, addressing mode and base cycles of each opcode.
* `flags`: the processor's flags.
* `instructions`: one function for each documented mnemonic.
* `undocumented`: one function for each of the others.
* `branches`: the conditions of branches.

The plain form, which CPython runs:

* `stepping`: one instruction after the other, byte by byte over the bus.

The fast form, which only runs compiled, and leaves to `stepping` what is rare:

* `operands`: where the operands of handlers are, and how they are loaded and stored.
* `handlers`: the handlers of instructions that work on registers and memory.
* `jumps`: the handlers of branches, jumps and the stack.
* `variants`: which handlers there are: by opcode, and by what the operand is.
* `decoding`: the decoded program: for each byte of a ROM a handler and an operand.
* `running`: the handlers as machine code; each calls the next one at its tail.

``frame.run_processor`` takes turns: `running` for as long as it can, then one step of `stepping`. Both use the same
functions for the same mnemonic, and both count all cycles of an instruction before its operand is read or written.
"""
