"""Screens in, stacks of planes out; it knows no consoles and no rules.

* `stages.py`: the names of the stages of a plane, and which go together.
* `frame_stack.py`: `FrameStack`, for one game and Python.
* `plan.py`: `PicturePlan`, all that the kernels need to know, and the scratch memory.
* `area.py`: how an area resize weighs pixels; `levels.py`: what levels colours have.
* `kernels.py`: the kernels; `lanes.py`: their operations in LLVM's own terms; `layout.py`: what is where in a plan.
* `jit.py`: how numba compiles them; `machine_code.py`: where their machine code is kept, and how it is called.
"""
