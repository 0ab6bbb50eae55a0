"""The TIA: the picture, its objects and their collisions, buttons and paddles.

| module | what it is |
|---|---|
| `writes` | the registers that are written to, and what each does |
| `reads` | the registers that are read |
| `positions` | RESxx, HMOVE, RESMPx: where objects are |
| `drawing` | making the picture up to the beam; line ends, combs, stars |
| `objects` | which pixels of a line each object lights |
| `pixels` | colours by priority, and collisions |
"""
