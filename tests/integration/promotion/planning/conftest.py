"""What these tests share: a server that answers queries, and one that refuses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply
from tests.integration.promotion.planning.planning import QUERY

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway


@pytest.fixture(params=["queries answered", "queries refused"])
def queries(request: pytest.FixtureRequest, gateway: Gateway) -> str:
    """Both ways of looking: with AQL, and where the server refuses it."""
    mode: str = request.param
    if mode == "queries refused":
        gateway.rule("POST", QUERY, reply=Reply(403))
    return mode
