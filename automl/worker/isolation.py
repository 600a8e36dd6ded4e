"""Keeps a job's traces out of the process it runs in: generators, threads, environment, verbosity.

One job at a time: torch's generator and thread count belong to the process.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_ONE = threading.Lock()


@contextmanager
def kept(torch: bool) -> Iterator[None]:
    """Hold the process for one job and put back what it changes; waits for one on another thread.

    Without ``torch`` neither torch nor transformers is imported: such a job starts in a second.
    """
    with _ONE, ExitStack() as stack:
        stack.enter_context(_environment())
        stack.enter_context(_generators())
        if torch:
            stack.enter_context(_torch())
            stack.enter_context(_quiet())
        yield


@contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


@contextmanager
def _generators() -> Iterator[None]:
    import numpy as np

    python, legacy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)


@contextmanager
def _torch() -> Iterator[None]:
    import torch

    threads, cpu = torch.get_num_threads(), torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(cpu)


@contextmanager
def _quiet() -> Iterator[None]:
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
