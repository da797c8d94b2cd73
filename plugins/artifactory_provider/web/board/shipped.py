"""The DAGs that come with this package, by which the board acts, and whose runs it follows.

They act over ``DEFAULT_CONNECTION``.
"""

from __future__ import annotations

ON_DEMAND, BULK, ROLLBACK = SHIPPED = ("promote_on_demand", "retag_backfill", "rollback")
