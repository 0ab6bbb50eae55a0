"""The worker's side: a process that plays a crew's games as its caller asks for."""

import contextlib
import ctypes
import gc
import os
import select
import signal
from collections.abc import Iterator
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from fastatari import protocol
from fastatari.crew import Crew, CrewRules
from fastatari.failure import Failure
from fastatari.lookout import Lookout
from fastatari.shared import Layout

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Assignment(NamedTuple):
    """What a worker is to do: plain data, which can be handed to a new process.

    Attributes:
        crew_rules (CrewRules): what its environments play.
        first (int): the index of the first of them in the pool.
        seeds (tuple[int | None, ...]): as for `Crew`; one for each of them.
        layout (Layout): of the shared memory.
        memory (Any): that memory.
        group (int): after how many environments it answers; also after the last of a request.
        looks_out (bool): whether it may use a core to wait.
        announces (bool): whether it tells how its environments are loaded, and then what they are.
        ignored_signals (tuple[int, ...]): the signals that its caller handles.
        is_served (bool): whether its parent is a fork server, which ends when its caller does.
        parent (int | None): else the process with whose thread it is to die; None if it is not to.
    """

    crew_rules: CrewRules
    first: int
    seeds: tuple[int | None, ...]
    layout: Layout
    memory: Any
    group: int
    looks_out: bool
    announces: bool
    ignored_signals: tuple[int, ...]
    is_served: bool
    parent: int | None


def run_worker(connection: "Connection[Any, Any]", assignment: Assignment) -> None:
    """Play until told to close, or until the caller is gone.

    Args:
        connection (Connection): this process's end of the pipe.
        assignment (Assignment): what to play.
    """
    _prepare(assignment)
    descriptor = connection.fileno()

    def report(count: int) -> None:
        if assignment.announces:
            protocol.write(descriptor, protocol.pack_reply(protocol.PROGRESS, count=count))

    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the caller is gone, or about to go
        slots = assignment.layout.view(assignment.memory)
        try:
            crew = Crew(assignment.crew_rules, assignment.first, slots, assignment.seeds, report)
        except Exception as error:
            reply = protocol.pack_reply(protocol.FAILURE, content=Failure.of(error, "as it started"))
            if assignment.announces:
                protocol.write(descriptor, reply)
            while protocol.read_request(descriptor)[0] != protocol.CLOSE:
                protocol.write(descriptor, reply)
            return
        # Or the garbage collector, which writes to what it looks at, would copy what a forked process shares.
        gc.collect()
        gc.freeze()
        if assignment.announces:
            protocol.write(descriptor, protocol.pack_reply(protocol.CALL, content=crew.describe()))
        _serve(descriptor, crew, range(len(assignment.seeds)), assignment.group, assignment.looks_out)


def _prepare(assignment: Assignment) -> None:
    """Let the caller decide what becomes of this process."""
    # Ctrl-C reaches every process of a terminal, and what a cluster sends before it ends a job may reach each of the
    # job's. A caller that handles such a signal, as to save its state, needs its workers then. Otherwise SIGTERM has
    # its default, for a forked process may have inherited a handler.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for number in (signal.SIGINT, *assignment.ignored_signals):
        signal.signal(number, signal.SIG_IGN)
    parent = assignment.parent
    if assignment.is_served:
        parent = os.getppid()
        # The server lives as long as anybody has this descriptor, with which its children could ask for more processes.
        server: Any = forkserver._forkserver
        if getattr(server, "_forkserver_alive_fd", None) is not None:
            os.close(server._forkserver_alive_fd)
            server._forkserver_alive_fd = None
    if parent is not None:
        # A worker that hangs would not notice that the pipe was closed.
        with contextlib.suppress(AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def _serve(descriptor: int, crew: Crew, everyone: range, group: int, looks_out: bool) -> None:
    """Answer requests until told to close.

    Raises:
        EOFError, ConnectionError: the caller is gone.
    """
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    lookout = Lookout(poller)
    while True:
        if looks_out:
            lookout.wait()
        kind, slot, content = protocol.read_request(descriptor)
        if kind == protocol.CLOSE:
            return
        for reply in _answer(crew, kind, slot, content or everyone, group):
            protocol.write(descriptor, reply)


def _answer(crew: Crew, kind: bytes, slot: int, content: Any, group: int) -> Iterator[bytes]:
    """Do what a request asks for; yield its replies."""
    doing = "in a step"
    try:
        if kind == protocol.STEP:
            for begin in range(0, len(content), group):
                part = content[begin : begin + group]
                is_plain, finals = crew.step(slot, part)
                yield protocol.pack_reply(protocol.STEP, is_plain, len(part), finals or None)
        else:
            name, arguments = content
            doing = f"in a call of {name!r}"
            yield protocol.pack_reply(protocol.CALL, content=getattr(crew, name)(*arguments))
    except Exception as error:
        yield protocol.pack_reply(protocol.FAILURE, content=Failure.of(error, doing))
