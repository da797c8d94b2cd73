"""Whether a place shows what is promoted, with all its parts; and where it does not, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artifactory_provider.promotion.completeness import ask_for_parts, check_complete, check_source_complete
from artifactory_provider.promotion.errors import NotShownYet, PartsMissing, TargetUnverified
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.transfer import confirm, explain_unverified, retry, wait_until_shown

if TYPE_CHECKING:
    from artifactory_provider.artifactory.manifests import Manifest
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.ledger import Ledger
    from artifactory_provider.promotion.listing import Listing

_NOTHING = Question()


@dataclass(frozen=True, slots=True)
class Proof:
    """Makes sure of the places that one digest is promoted to: its pending tag and its target tag.

    :param ledger: what is known of the registry.
    :param source: where it is promoted from, with the digest.
    :param target: where it is promoted to, with the digest.
    :param before: the digest that the target tag showed at first; None where it showed nothing.
    :param within: the seconds that a place may take to show it.
    """

    ledger: Ledger
    source: ImageReference
    target: ImageReference
    before: str | None
    within: float

    async def confirm(self, place: ImageReference, *, origin: ImageReference) -> Manifest | None:
        """Make sure that a tag shows the digest, and return the manifest where its bytes were read.

        :param place: the tag, with the digest.
        :param origin: where it was promoted to the tag from.
        :raises TargetUnverified: when it does not show it in time.
        """
        try:
            return await confirm(self.ledger, place, within=self.within, before=self._before(place))
        except TargetUnverified as error:
            await self._explain(place, error, origin)
            raise

    async def wait(self, place: ImageReference, question: Question) -> Listing:
        """Wait until a tag shows the digest, and return what was seen with it.

        :param place: the tag, with the digest.
        :param question: what is asked, the tag among it.
        :raises TargetUnverified: when it does not show it in time.
        """
        try:
            return await wait_until_shown(self.ledger, place, question, within=self.within, before=self._before(place))
        except TargetUnverified as error:
            await self._explain(place, error, self.source)
            raise

    async def verify_parts(
        self,
        place: ImageReference,
        manifest: Manifest,
        beside: Question = _NOTHING,
        *,
        origin: ImageReference | None = None,
    ) -> Listing:
        """Wait until a tag shows the digest with all that belongs to it, and return what was seen with it.

        :param place: the tag, with the digest.
        :param manifest: what the digest stands for.
        :param beside: what else is asked.
        :param origin: where it was promoted to the tag from, if not from the source.
        :raises TargetUnverified: when it does not show it in time, or parts are missing.
        """
        question = ask_for_parts(self.source, place, manifest).joined(beside)

        async def verify() -> Listing:
            seen = await wait_until_shown(self.ledger, place, question, within=0, before=self._before(place))
            await check_complete(self.ledger.client, self.source, place, manifest, seen)
            return seen

        try:
            try:
                return await verify()
            except PartsMissing as error:
                await check_source_complete(self.ledger.client, self.source, place, error)
            except NotShownYet:
                pass  # It may be shown with a delay.
            return await retry(verify, NotShownYet, PartsMissing, within=self.within)
        except TargetUnverified as error:
            # What was under the target tag at first has not been promoted by this run.
            if error.found != place.digest and (self._is_own(place) or self.before != self.target.digest):
                await self._explain(place, error, origin or self.source)
            raise

    def _is_own(self, place: ImageReference) -> bool:
        return place.tag != self.target.tag

    def _before(self, place: ImageReference) -> str | None:
        """Return what a tag may show still: a name of one's own has shown nothing before."""
        return None if self._is_own(place) else self.before

    async def _explain(self, place: ImageReference, error: TargetUnverified, origin: ImageReference) -> None:
        await explain_unverified(self.ledger, origin, place, error, is_own=self._is_own(place))
