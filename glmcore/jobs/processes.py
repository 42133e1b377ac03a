"""Processes known for certain: a pid alone may be another process's by now."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process that no other is taken for.

    Attributes:
        started: when it was started, in a form that the system gives alike every time and that no restart of
            the machine repeats.
    """

    pid: int
    started: str
