"""`make_xla`: envpool's ``xla()``, steps for `jax.jit`, by callbacks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastatari.adapters.checks import require


def make_xla(
    recv_batch: Callable[[], Any], send_batch: Callable[[Any, Any], None], batch: Any
) -> tuple[Any, Callable[[Any], Any], Callable[..., Any], Callable[..., Any]]:
    """Return a handle, and the functions that take it, which `jax.jit` can trace.

    Args:
        recv_batch: waits for a batch and returns it, a tree of arrays.
        send_batch: asks environments for a step, of an action for each and their numbers or None.
        batch: what `recv_batch` may return, for its shapes and dtypes.

    Returns:
        tuple: the handle, uint8[8], of no meaning, but to be passed from call to call; ``recv(handle)``, which returns
        the handle and a batch; ``send(handle, action, env_id=None)``, which returns the handle; and ``step(handle,
        action, env_id=None)``, which does both.

    Raises:
        ImportError: JAX is not installed.
    """
    require("jax", "0.4.30", "1", "jax")
    import jax  # noqa: PLC0415 - of an extra
    from jax.experimental import io_callback  # noqa: PLC0415

    handle = jax.numpy.zeros(8, np.uint8)
    of_handle = jax.ShapeDtypeStruct(handle.shape, handle.dtype)
    of_batch = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), batch)

    def recv(handle: Any) -> Any:
        return io_callback(lambda handle: (handle, recv_batch()), (of_handle, of_batch), handle, ordered=True)

    def send(handle: Any, action: Any, env_id: Any = None) -> Any:
        def call(handle: Any, action: Any, *env_id: Any) -> Any:
            send_batch(np.asarray(action), np.asarray(env_id[0]) if env_id else None)
            return handle

        given = () if env_id is None else (env_id,)
        return io_callback(call, of_handle, handle, action, *given, ordered=True)

    def step(handle: Any, action: Any, env_id: Any = None) -> Any:
        return recv(send(handle, action, env_id))

    return handle, recv, send, step
