"""One promotion request and what became of it: after an unclear end, only the registry tells what was done."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import tenacity

from artifactory_provider.artifactory.diagnosis import explain_missing, look
from artifactory_provider.artifactory.errors import (
    ArtifactoryError,
    ConnectionFailed,
    NotFound,
    RequestNotSent,
    ServerFailed,
    TagNotFound,
    UnexpectedAnswer,
    UnsupportedRepository,
)
from artifactory_provider.promotion.errors import NotShownYet, PromotionError, SourceMoved, TargetUnverified
from artifactory_provider.promotion.queries import Question

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.manifests import Descriptor, Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.ledger import Ledger
    from artifactory_provider.promotion.listing import Listing

log = logging.getLogger(__name__)

T = TypeVar("T")

_SHORT_LOOK = 5.0
"""Seconds to look for the work of a request that a server has refused with 404 or 5xx: it is very likely undone."""


async def retry(call: Callable[[], Awaitable[T]], *errors: type[Exception], within: float) -> T:
    """Return what a call returns, and call again while it raises some errors, for a limited time.

    :param call: what is called; servers show what they wrote with a delay.
    :param errors: the errors that may pass.
    :param within: the seconds after which it is not called again.
    """
    try:
        return await call()
    except errors as error:
        # Most need no second try, and the machinery of retries costs more than a look.
        seen: list[Exception] = [error]

    async def call_again() -> T:
        if seen:
            raise seen.pop()
        return await call()

    again = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(errors),
        stop=tenacity.stop_before_delay(within),
        wait=tenacity.wait_exponential(multiplier=0.2, max=5) + tenacity.wait_random(0, 0.2),
        reraise=True,
    )
    return await again(call_again)


async def pin(client: ArtifactoryClient, source: ImageReference) -> Descriptor:
    """Return what the source tag shows now.

    :param client: an open client.
    :param source: repository, image and tag; with a digest, the tag must show it.
    :raises NotFound: naming what is missing: repository, image or tag.
    :raises SourceMoved: when the tag shows another digest than the reference's.
    """
    descriptor = await look(client, source)
    if descriptor is None:
        raise await explain_missing(client, source)
    if source.digest is not None and descriptor.digest != source.digest:
        raise SourceMoved(
            f"{source.unpinned()} shows {descriptor.digest}, but {source.digest} "
            "was to be promoted: the tag was moved since. Verify the new digest and promote that."
        )
    return descriptor


async def request(
    client: ArtifactoryClient,
    source: ImageReference,
    target: ImageReference,
    *,
    copy: bool,
    at_last: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Send one promotion request, once: all are sent from here. Who asks has to find out what became of it.

    :param client: an open client.
    :param source: repository, image and tag; without a tag, in both, all tags of the image.
    :param target: repository, image and tag.
    :param copy: False moves.
    :param at_last: called right before it is sent, when it has waited for its turn; what it raises keeps it from that.
    :raises ArtifactoryError: when the server refuses, or its answer does not come.
    """
    await client.promote(source, target, copy=copy, at_last=at_last)


async def send(
    ledger: Ledger,
    source: ImageReference,
    target: ImageReference,
    *,
    copy: bool,
    within: float,
    before: str | None = None,
    at_last: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Send one promotion request, once, and find out whether it was carried out where its end is unclear.

    :param ledger: what is known of the registry.
    :param source: repository, image, tag and digest.
    :param target: repository, image, tag and the same digest.
    :param copy: False moves; whether the source tag is gone then is not looked at.
    :param within: the seconds for which a server that may still be at work is waited for; where many promotions share
        the ledger it is not: the next try sees what was done meanwhile.
    :param before: the digest that the target tag showed before.
    :param at_last: called right before it is sent, when it has waited for its turn; what it raises keeps it from that.
    :raises ArtifactoryError: when the server refuses, or the work of an unclear end is not to be found.
    """
    log.info("%s %s to %s.", "Copying" if copy else "Moving", source, target.unpinned())
    try:
        await request(ledger.client, source, target, copy=copy, at_last=at_last)
    except RequestNotSent:
        raise
    except UnsupportedRepository:
        await ledger.check_repositories(source, target)
        raise
    except (ConnectionFailed, ServerFailed, NotFound, UnexpectedAnswer) as error:
        log.warning("%s Looking at %s for what was done.", error, target.unpinned())
        patience = within if _may_go_on(error) else min(within, _SHORT_LOOK)
        if isinstance(error, NotFound) and copy:
            patience = 0  # Where a proxy has sent it twice, only a move finds nothing the second time.
        try:
            await confirm(ledger, target, within=0 if ledger.is_shared else patience, before=before)
        except (PromotionError, ArtifactoryError) as unconfirmed:
            raise await _explain(ledger, source, error) from unconfirmed


async def confirm(
    ledger: Ledger, target: ImageReference, *, within: float, before: str | None = None
) -> Manifest | None:
    """Make sure that a tag shows its digest: by its very bytes, or with many others by what a query tells of them.

    :param ledger: what is known of the registry.
    :param target: repository, image, tag and digest.
    :param within: the seconds that the tag may take to show it.
    :param before: the digest that the tag showed before: as long as it does, it may be shown with a delay.
    :return: the manifest, where the bytes were read.
    :raises TargetUnverified: when it does not show it in time; at once when it shows a digest that is neither.
    """
    if ledger.is_shared:
        await wait_until_shown(ledger, target, Question(tags=(target,)), within=within, before=before)
        return None

    async def read() -> Manifest:
        try:
            manifest = await ledger.client.manifest(target)
        except TagNotFound as error:
            raise NotShownYet(_describe(target, None)) from error
        _check_shown(target, manifest.descriptor.digest, before)
        return manifest

    return await retry(read, NotShownYet, within=within)


async def wait_until_shown(
    ledger: Ledger, target: ImageReference, question: Question, *, within: float, before: str | None = None
) -> Listing:
    """Look until a tag shows its digest, and return what was seen with it.

    :param ledger: what is known of the registry.
    :param target: repository, image, tag and digest.
    :param question: what is asked, the tag among it.
    :param within: the seconds that the tag may take to show it.
    :param before: the digest that the tag showed before: as long as it does, it may be shown with a delay.
    :raises TargetUnverified: when it does not show it in time; at once when it shows a digest that is neither.
    """

    async def look_once() -> Listing:
        seen = await ledger.look(question)
        shown = seen.shows(target)
        _check_shown(target, shown.digest if shown else None, before)
        return seen

    return await retry(look_once, NotShownYet, within=within)


async def explain_unverified(
    ledger: Ledger,
    source: ImageReference,
    target: ImageReference,
    error: TargetUnverified,
    *,
    is_own: bool = False,
) -> None:
    """Raise the error that says why a target does not show what the server says it has promoted, where that is known.

    :param ledger: what is known of the registry.
    :param source: where it was promoted from, with the digest.
    :param target: where it was promoted to.
    :param error: what was found instead.
    :param is_own: whether nobody else writes the target: a name that is given once shows what the source has shown.
    :raises SourceMoved: when another digest was promoted, since the source tag was moved meanwhile.
    :raises PermissionDenied: when the user may not read the target.
    :raises UnsupportedRepository: when one of the repositories cannot promote.
    """
    if error.found is None:
        # Queries pass over what a user may not read; the Docker API says so.
        await look(ledger.client, target)
    else:
        await _check_source(ledger, source, target, error.found, is_own=is_own)
        if is_own:
            raise SourceMoved(
                f"{source.unpinned()} showed {error.found} for a moment while {source.digest} was promoted: the "
                "wrong digest is not kept. Find out who writes this tag, and promote again."
            ) from error
    await ledger.check_repositories(source, target)


async def is_shown(client: ArtifactoryClient, reference: ImageReference) -> bool:
    """Return whether a tag shows the digest of its reference.

    :param client: an open client.
    :param reference: repository, image, tag and digest.
    """
    found = await client.descriptor(reference)
    return found is not None and found.digest == reference.digest


async def _check_source(
    ledger: Ledger, source: ImageReference, target: ImageReference, found: str, *, is_own: bool
) -> None:
    """Raise when the source tag shows what was promoted instead of the digest: the tag was moved."""
    now = await ledger.client.descriptor(source)
    if now is None or now.digest != found or found == source.digest:
        return
    moved = f"{source.unpinned()} was moved from {source.digest} to {found} while it was promoted"
    if is_own:
        raise SourceMoved(f"{moved}: the wrong digest is not kept. Verify the new one and promote that.")
    raise SourceMoved(
        f"{moved}: {target.unpinned()} shows the wrong digest now. Verify it, or promote what belongs there again; "
        "promotions in two phases never show it."
    )


def _check_shown(target: ImageReference, found: str | None, before: str | None) -> None:
    if found == target.digest:
        return
    if found in {None, before}:
        raise NotShownYet(_describe(target, found), found=found)
    raise TargetUnverified(_describe(target, found), found=found)


def _describe(target: ImageReference, found: str | None) -> str:
    place = target.unpinned()
    if found is None:
        return (
            f"{place} does not exist although {target.digest} was promoted to it: check that {target.repository!r} "
            "is a local or federated Docker repository, and run the promotion again."
        )
    return (
        f"{place} shows {found} although {target.digest} was promoted to it: the source tag or the target tag "
        "was moved meanwhile. Find out who writes these tags before promoting again."
    )


def _may_go_on(error: ArtifactoryError) -> bool:
    """Return whether the server may still be at work: nobody waits for it any more, but nobody has refused either."""
    return isinstance(error, ConnectionFailed) or error.status == HTTPStatus.GATEWAY_TIMEOUT


async def _explain(ledger: Ledger, source: ImageReference, error: ArtifactoryError) -> ArtifactoryError:
    """Return the better explanation of a 404: what is missing, unless the source tag shows its digest still."""
    if not isinstance(error, NotFound) or await is_shown(ledger.client, source):
        return error
    return await explain_missing(ledger.client, source)
