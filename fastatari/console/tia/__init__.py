"""The TIA: the picture, its objects and their collisions, buttons and paddles.

* `writes`: the registers that are written to, and what each does.
* `reads`: the registers that are read: collisions, paddles and buttons.
* `positions`: RESxx, HMOVE and RESMPx: where objects are.
* `drawing`: making the picture up to where the beam is; line ends, combs, stars, and what is stored beyond the beam.
* `objects`: which pixels of a line each object lights.
* `pixels`: colours by priority, and collisions.

How a write becomes pixels::

    writes ──► positions, or a field of the console, and a bit of `outdated` for each object that changes
      └──────► drawing.draw, before that: all pixels up to the clock of the write, with the old values
                 ├─► objects.light_outdated ──► `lit`: six masks of 160 bits
                 └─► pixels.collide, always; pixels.paint ──► the screen, if the frame is drawn
"""
