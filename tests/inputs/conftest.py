from __future__ import annotations

from tests.hub_server import hub

__all__ = ["hub"]
