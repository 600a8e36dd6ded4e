"""What a server is told: limits and waits, with their defaults. Each stands here once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """How requests are batched, how large and how many they may be, and who may send them."""

    max_batch: int = 32
    """Rows that the model is given at once."""
    max_wait_ms: float = 10.0
    """How long a row waits for others to come; one client alone is not made to wait."""
    max_rows: int = 256
    """Rows of one request."""
    max_body: int = 10_000_000
    """Bytes of one request's body."""
    max_concurrency: int = 256
    """Requests that are being read, waited for or answered; more are turned away."""
    timeout: float = 30.0
    """Seconds within which a request is answered, its body's arrival included."""
    drain: float = 2.0
    """Seconds for which requests are taken on after SIGTERM, while /ready says 503: the time that a
    load balancer has to notice."""
    window: int = 1000
    """Rows that are compared with the reference, the last ones."""
    token: str = ""
    """What ``Authorization: Bearer`` must hold; empty: anyone may ask."""
