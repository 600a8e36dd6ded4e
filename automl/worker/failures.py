"""What kind of failure an exception is, so that the scheduler knows whether to try again."""

from __future__ import annotations

from automl import machine
from automl.errors import CandidateError
from automl.events import FailureKind

_NO_MEMORY = ("DefaultCPUAllocator", "can't allocate memory", "CUDA out of memory")
_HANGS = (
    "Timed out waiting",
    "Application timeout caused pair closure",
    "Watchdog caught collective operation timeout",
)
"""What gloo and NCCL say of a process that the others wait for in vain."""
_NO_ROOM = ("No space left on device", "Disk quota exceeded")
"""What libraries say that wrap the system's error."""


class NotANumber(Exception):
    """The loss, or what the model predicts, is no longer a finite number."""


def kind(error: BaseException) -> FailureKind:
    """Return the failure kind of what a trial raised."""
    import torch

    if isinstance(error, NotANumber):
        return "not_a_number"
    if machine.no_room(error) or any(words in str(error) for words in _NO_ROOM):
        return "disk_full"
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _HANGS):
        return "hang"
    # Loading a model wraps what it met; that it met the end of memory is no fault of the model's.
    for each in (error, error.__cause__):
        if isinstance(each, MemoryError | torch.OutOfMemoryError):
            return "out_of_memory"
        if isinstance(each, RuntimeError) and any(words in str(each) for words in _NO_MEMORY):
            return "out_of_memory"
    return "bad_candidate" if isinstance(error, CandidateError) else "crash"


def message(error: BaseException) -> str:
    """Return one line about the exception, of at most 300 characters."""
    words = " ".join(str(error).split())
    name = "" if isinstance(error, NotANumber | CandidateError) else f"{type(error).__name__}: "
    return f"{name}{words}"[:300].strip()
