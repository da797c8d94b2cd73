"""The commands by which a person decides: ``hold``, ``reject``, ``lift``, ``stop`` and ``resume``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.cli.output import count, printed, say, show
from artifactory_provider.cli.running import DONE, INTERRUPTED, author, command, read_tag
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.promotion.marks import check_reason
from artifactory_provider.tasks.forms import as_moment
from artifactory_provider.tasks.stops import give_order, lift_orders, make_order, naming_any

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable

    from artifactory_provider.policy import StopOrder


@command(changes=True)
def hold(args: Namespace) -> int:
    """Hold a tag on what it shows."""
    held = ArtifactoryHook(args.conn_id).hold(read_tag(args.tag), reason=check_reason(args.reason), by=author(args))
    say(f"{held.unpinned()} goes on showing {held.digest} until the hold is lifted.")
    return DONE


@command(changes=True)
def reject(args: Namespace) -> int:
    """Reject the digest that a tag shows, wherever it stands."""
    tag = read_tag(args.tag)
    places = ArtifactoryHook(args.conn_id).reject(tag, reason=check_reason(args.reason), by=author(args))
    say(f"What {tag} shows is not promoted any more. It is marked in: {printed(', '.join(places))}")
    return DONE


@command(changes=True)
def lift(args: Namespace) -> int:
    """Lift the hold on a tag, or the rejection of the digest that it shows."""
    hook, tag, reason = ArtifactoryHook(args.conn_id), read_tag(args.tag), check_reason(args.reason)
    if args.lifted == "hold":
        say(f"{hook.lift_hold(tag, reason=reason, by=author(args)).unpinned()} is not held any more.")
    else:
        places = hook.lift_rejection(tag, reason=reason, by=author(args))
        say(f"What {tag} shows may be promoted again. It was marked in: {printed(', '.join(places))}")
    return DONE


@command(changes=True)
def stop(args: Namespace) -> int:
    """Stop the line: nothing is promoted to some repositories until the order ends, or somebody lifts it."""
    order = make_order(
        reason=args.reason,
        by=author(args),
        repositories=args.repository or (),
        images=args.image or (),
        until=as_moment(args.until, name="until"),
        also_rollbacks=args.also_rollbacks,
    )
    variable = ArtifactoryHook(args.conn_id).stop_variable
    try:
        standing = give_order(variable, order)
    except KeyboardInterrupt:
        say(
            f"Interrupted: the order may stand in the Variable {variable} already, and may not. Run the same command "
            "again, which gives no order twice; or let the line go on by resume."
        )
        return INTERRUPTED
    show(order_rows(standing.orders), args.output)
    say(_tell_variable(variable, args))
    return DONE


@command(changes=True)
def resume(args: Namespace) -> int:
    """Let the line go on: lift orders to stop."""
    check_reason(args.reason)
    variable = ArtifactoryHook(args.conn_id).stop_variable
    try:
        lifted = lift_orders(variable, naming_any(args.repository or ()))
    except KeyboardInterrupt:
        say(f"Interrupted: the orders may be gone from the Variable {variable} already: policy show tells which stand.")
        return INTERRUPTED
    show(order_rows(lifted), args.output)
    say(f"{count(len(lifted), 'order')} lifted by {author(args)}: {printed(args.reason)}")
    say(_tell_variable(variable, args))
    return DONE


def _tell_variable(variable: str, args: Namespace) -> str:
    return (
        f"The Variable {printed(variable)} has the orders for {printed(args.conn_id)}, and for each other connection "
        "that takes its orders from there."
    )


def order_rows(orders: Iterable[StopOrder]) -> list[dict[str, Any]]:
    """Return orders to stop as rows.

    :param orders: the orders.
    """
    return [
        {
            "repositories": ", ".join(order.targets.repositories.include),
            "images": ", ".join(order.targets.images.include),
            "reason": order.reason,
            "by": order.by,
            "since": order.since.isoformat(),
            "until": order.until.isoformat() if order.until else None,
            "stops": ", ".join(sorted(order.applies_to)),
        }
        for order in orders
    ]
