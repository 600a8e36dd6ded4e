from __future__ import annotations

from tests.hub_server import hub
from tests.serving.conftest import bundle

__all__ = ["bundle", "hub"]
