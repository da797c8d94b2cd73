"""The DAGs that come with this package, by which the board acts, and whose runs it follows."""

from __future__ import annotations

ON_DEMAND, BULK, ROLLBACK = SHIPPED = ("promote_on_demand", "retag_backfill", "rollback")
CONNECTION = "artifactory_default"
"""The connection that they promote over."""
