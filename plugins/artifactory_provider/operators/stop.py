"""The operators that stop the line, and let it go on: nothing is promoted to some targets meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.operators.base import ArtifactoryOperator
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.tasks.arguments import check_literal
from artifactory_provider.tasks.forms import as_bool, as_list, as_moment
from artifactory_provider.tasks.rules import find_starter
from artifactory_provider.tasks.stops import give_order, given_at, lift_orders, make_order, naming_any

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from airflow.sdk import Context

_EVERYTHING = ("*",)


class ArtifactoryStopOperator(ArtifactoryOperator):
    """Stop the line: whatever is promoted to some targets is refused until the order ends, or somebody lifts it.

    It holds from the moment at which the task succeeds, for tasks that run already, too: a bulk run ends the promotions
    whose retag is on its way, and begins no other. Who has triggered the run is written down as its author.

    :param reason: why, in one line of up to 500 characters. (templated)
    :param repositories: patterns of the repositories whose tags stay as they are: a list, or a text with one a line;
        all where none are given. (templated)
    :param images: patterns of the images. (templated)
    :param until: when it ends by itself: a moment as ISO 8601, in UTC unless it says otherwise; nothing for never.
        (templated)
    :param also_rollbacks: whether rollbacks are stopped, too. (templated)
    :param artifactory_conn_id: the Airflow connection, which may name the Variable of the stops. (templated)
    :param kwargs: what every operator takes.
    :raises InvalidPromotion: when an argument makes no sense; for plain values at parse time.
    """

    template_fields: Sequence[str] = (
        "reason",
        "repositories",
        "images",
        "until",
        "also_rollbacks",
        "artifactory_conn_id",
    )
    ui_color = "#f9d4d4"

    def __init__(
        self,
        *,
        reason: str,
        repositories: str | Sequence[str] = _EVERYTHING,
        images: str | Sequence[str] = _EVERYTHING,
        until: datetime.datetime | str | None = None,
        also_rollbacks: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reason = reason
        self.repositories = repositories
        self.images = images
        self.until = until
        self.also_rollbacks = also_rollbacks
        check_literal(reason, check_reason)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Give the order, and return all orders that stand then."""
        order = make_order(
            reason=self.reason,
            by=find_starter().name,
            repositories=as_list(self.repositories, name="repositories"),
            images=as_list(self.images, name="images"),
            until=as_moment(self.until, name="until"),
            also_rollbacks=as_bool(self.also_rollbacks, name="also_rollbacks"),
        )
        standing = give_order(self._hook().stop_variable, order)
        self.log.info("Stopped: %s", order.to_dict())
        return [one.to_dict() for one in standing.orders]


class ArtifactoryResumeOperator(ArtifactoryOperator):
    """Let the line go on: lift orders to stop.

    :param reason: why, in one line of up to 500 characters. (templated)
    :param repositories: lifts the orders that name one of these patterns of repositories, written in the same way; all
        orders where none are given. (templated)
    :param images: the patterns of the images of the order that is meant, with ``since``. (templated)
    :param since: lifts only the order that was given at this moment, as ISO 8601, for exactly these repositories and
        images, whatever else is stopped. (templated)
    :param artifactory_conn_id: the Airflow connection, which may name the Variable of the stops. (templated)
    :param kwargs: what every operator takes.
    :raises InvalidPromotion: when an argument makes no sense; for plain values at parse time.
    """

    template_fields: Sequence[str] = ("reason", "repositories", "images", "since", "artifactory_conn_id")
    ui_color = "#d4f9d8"

    def __init__(
        self,
        *,
        reason: str,
        repositories: str | Sequence[str] = (),
        images: str | Sequence[str] = _EVERYTHING,
        since: datetime.datetime | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reason = reason
        self.repositories = repositories
        self.images = images
        self.since = since
        check_literal(reason, check_reason)

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Lift the orders, and return those that were."""
        repositories = as_list(self.repositories, name="repositories")
        since = as_moment(self.since, name="since")
        if since is None:
            is_meant = naming_any(repositories)
        else:
            images = as_list(self.images, name="images")
            is_meant = given_at(since, repositories=repositories or _EVERYTHING, images=images or _EVERYTHING)
        lifted = lift_orders(self._hook().stop_variable, is_meant)
        reason, by = check_reason(self.reason), find_starter().name
        for order in lifted:
            self.log.info("Lifted by %s (%s): %s", by, reason, order.to_dict())
        return [order.to_dict() for order in lifted]
