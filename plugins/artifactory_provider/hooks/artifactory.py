"""The hook: what this package does, over an Airflow connection, under the rules that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.hooks.connections import DEFAULT_CONNECTION, explain_unknown_keys
from artifactory_provider.hooks.http_connections import HttpConnections
from artifactory_provider.hooks.upkeep import UpkeepHook
from artifactory_provider.promotion.backup import find_previous
from artifactory_provider.promotion.bulk_selection import list_image_names, select_many
from artifactory_provider.promotion.decisions import hold, lift_hold, lift_rejection, reject
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.planning.planner import apply_rules, make_plan
from artifactory_provider.promotion.planning.sources import list_standing_tags
from artifactory_provider.promotion.rules import Change
from artifactory_provider.promotion.selection import Candidate, select
from artifactory_provider.promotion.transfer import pin
from artifactory_provider.tasks.changes import ask_rules
from artifactory_provider.verification.gate import promote_image_verified, promote_one_verified, promote_verified
from artifactory_provider.verification.outcomes import write_verdicts
from artifactory_provider.verification.verification import verify, verify_many

if TYPE_CHECKING:
    import datetime
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.promotion.batch import Progress
    from artifactory_provider.promotion.bulk_selection import Selected
    from artifactory_provider.promotion.planning.change import ChangePlan
    from artifactory_provider.promotion.planning.criteria import TagCriteria
    from artifactory_provider.promotion.planning.patterns import Patterns
    from artifactory_provider.promotion.planning.plan import Plan
    from artifactory_provider.promotion.planning.sources import ListedTag
    from artifactory_provider.promotion.record import PromotionRecord
    from artifactory_provider.promotion.reports import PromotionReport
    from artifactory_provider.promotion.request import Attachments, OnConflict, Promotion
    from artifactory_provider.tasks.changes import PlannedChange
    from artifactory_provider.tasks.rules import Answers
    from artifactory_provider.verification import Check
    from artifactory_provider.verification.verification import Verification


class ArtifactoryHook(UpkeepHook):
    """Talk to JFrog Artifactory: promote images, read what tags show, ask for verdicts.

    It is an ``HttpHook``, so ``run(endpoint)`` sends any request of the REST API too. What is unsafe there is
    different here: the connection's extra never becomes request headers, every request has a time limit,
    redirects are not followed with credentials, and errors are typed.

    In asynchronous code use ``async with hook.client()``; the synchronous methods run that client to its end.

    :param artifactory_conn_id: the connection: of type ``artifactory``, or of any other type with the same
        fields.
    :param method: the HTTP method of ``run``.
    :param rules: rules that hold for what is promoted beside those of the policy, as those of a pipeline's stages.
    """

    conn_name_attr = "artifactory_conn_id"
    default_conn_name = DEFAULT_CONNECTION
    conn_type = "artifactory"
    hook_name = "JFrog Artifactory"

    def pin(self, source: ImageReference) -> str:
        """Return the digest that a tag shows now.

        :param source: repository, image and tag.
        :raises NotFound: naming what is missing.
        """
        descriptor = self._run_client(lambda client: pin(client, source))
        return descriptor.digest

    def select(
        self, repository: str, candidate: str, *, created_before: datetime.datetime | None = None
    ) -> ImageReference | None:
        """Return what is to be promoted, pinned to its digest, or None where there was no such release by then.

        :param repository: the repository key.
        :param candidate: ``image`` for its newest release, ``image:pattern`` or ``image >=1.4 <2`` for the newest of
            these, ``image:tag`` or ``image:tag@digest``; see ``promotion.selection.Candidate``.
        :param created_before: passes over what was created at this moment or later; not for a tag that is named.
        :raises InvalidReference: when the candidate is malformed.
        :raises NotFound: naming what is missing.
        :raises VersionUncertain: when nobody can tell which release is the newest.
        """
        Candidate.parse(candidate)
        return self._run_client(lambda client: select(client, repository, candidate, created_before=created_before))

    def created(self, image: ImageReference) -> datetime.datetime:
        """Return when an image was created.

        :param image: repository, image and tag.
        :raises NotFound: naming what is missing.
        """

        async def look(client: ArtifactoryClient) -> datetime.datetime:
            return await client.created(manifest_path(image, await pin(client, image)))

        return self._run_client(look)

    def list_images(self, repository: str, images: Patterns) -> list[str]:
        """Return the names of the images that patterns mean: those that are named, and those that match.

        :param repository: the repository key.
        :param images: the patterns.
        """
        return self._run_client(lambda client: list_image_names(client, repository, images))

    def select_many(
        self,
        repository: str,
        candidates: Sequence[str],
        *,
        created_before: datetime.datetime | None = None,
        with_times: bool = False,
    ) -> list[Selected]:
        """Return for each candidate what is to be promoted, by few requests; see ``promotion.bulk_selection``.

        :param repository: the repository key.
        :param candidates: as ``select`` takes them.
        :param created_before: passes over what was created at this moment or later; not for a tag that is named.
        :param with_times: whether it is needed when each image was created.
        """
        return self._run_client(
            lambda client: select_many(
                client, repository, candidates, created_before=created_before, with_times=with_times
            )
        )

    def promote(self, promotion: Promotion, *, answers: Answers | None = None) -> PromotionRecord:
        """Promote one image and make sure of the result; see ``artifactory_provider.promotion``.

        :param promotion: what is promoted to where.
        :param answers: what people have answered, where the policy asks them.
        :raises Refused: when a hold, a rejection, a stop or the policy forbids it now.
        :raises NotVerified: when it has not passed what the policy requires.
        """
        rules = self.rules().with_answers([Change(promotion.source, promotion.target)], answers)
        [recorded] = rules.record_answers([promotion])
        return self._run_client(
            lambda client: promote_one_verified(
                client, recorded, rules.required_checks, rules=rules, connect=HttpConnections()
            )
        )

    def promote_many(
        self,
        promotions: Sequence[Promotion],
        *,
        at_once: int = 32,
        answers: Answers | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> PromotionReport:
        """Promote many images; one that fails does not stop the others.

        :param promotions: what is promoted to where, and how; see ``artifactory_provider.promotion.make_promotions``.
        :param at_once: how many requests are under way at a time, at most.
        :param answers: what people have answered, where the policy asks them.
        :param on_progress: called with how far it has come, after each promotion.
        """
        rules = self.rules().with_answers([Change(each.source, each.target) for each in promotions], answers)
        recorded = rules.record_answers(promotions)
        return self._run_client(
            lambda client: promote_verified(
                client,
                recorded,
                rules.required_checks,
                at_once=at_once,
                on_progress=on_progress,
                connect=HttpConnections(),
                rules=rules,
            )
        )

    def promote_image(
        self,
        promotion: Promotion,
        *,
        one_request: bool = False,
        answers: Answers | None = None,
        on_report: Callable[[PromotionReport], None] = lambda _: None,
    ) -> PromotionReport:
        """Promote all tags of an image; one that fails does not stop the others.

        :param promotion: source and target without tags, and the options for each tag.
        :param one_request: whether the endpoint is sent its own form for a whole image, once.
        :param answers: what people have answered, where the policy asks them.
        :param on_report: called with what became of all tags, also where some could not be promoted.
        """
        rules = self.rules().with_answers([], answers)
        [recorded] = rules.record_answers([promotion])
        return self._run_client(
            lambda client: promote_image_verified(
                client,
                recorded,
                rules.required_checks,
                one_request=one_request,
                connect=HttpConnections(),
                rules=rules,
                on_report=on_report,
            )
        )

    def hold(self, tag: ImageReference, *, reason: str, by: str) -> ImageReference:
        """Hold a tag on what it shows, until the hold is lifted; see ``promotion.decisions.hold``.

        :param tag: repository, image and tag; with a digest, the tag must show it.
        :param reason: why, in one line.
        :param by: who says so.
        """
        return self._run_client(lambda client: hold(client, tag, reason=reason, by=by))

    def lift_hold(self, tag: ImageReference, *, reason: str, by: str) -> ImageReference:
        """Lift the hold on a tag.

        :param tag: repository, image and tag.
        :param reason: why, in one line.
        :param by: who says so.
        :raises NothingToLift: when it is not held.
        """
        return self._run_client(lambda client: lift_hold(client, tag, reason=reason, by=by))

    def reject(self, image: ImageReference, *, reason: str, by: str) -> tuple[str, ...]:
        """Reject a digest wherever it stands: it is not promoted any more; see ``promotion.decisions.reject``.

        :param image: repository, image and tag, of which the digest is taken; with a digest, that one.
        :param reason: why, in one line.
        :param by: who says so.
        :return: the paths of the manifests that are marked.
        """
        return self._run_client(lambda client: reject(client, image, reason=reason, by=by))

    def lift_rejection(self, image: ImageReference, *, reason: str, by: str) -> tuple[str, ...]:
        """Take back the rejection of a digest wherever it stands.

        :param image: repository, image and tag, of which the digest is taken; with a digest, that one.
        :param reason: why, in one line.
        :param by: who says so.
        :return: the paths of the manifests that were marked.
        :raises NothingToLift: when it is not rejected anywhere.
        """
        return self._run_client(lambda client: lift_rejection(client, image, reason=reason, by=by))

    def plan(
        self,
        criteria: TagCriteria,
        *,
        target_repository: str,
        target_tags: Sequence[str] = ("{tag}",),
        target_image: str = "{image}",
        on_conflict: OnConflict = "fail",
        attachments: Attachments = "all",
        largest: int | None = None,
    ) -> Plan:
        """Return the promotions that a run would make, and change nothing; see ``planning.planner.make_plan``.

        What a hold, a rejection, a stop or the policy forbids now is planned as ``refused``.

        :param criteria: which tags are promoted.
        :param target_repository: the key of the repository that they are promoted to.
        :param target_tags: templates of what each is called there.
        :param target_image: the template of what its image is called there.
        :param on_conflict: ``fail``, ``overwrite`` or ``backup``.
        :param attachments: with ``tags`` or ``all``, an image that is there is promoted again where a tag of its
            attachments is not.
        :param largest: how many promotions there may be.
        :raises InvalidPlan: when nothing is meant, or too much, or what cannot be.
        """
        rules = self.rules()

        async def make(client: ArtifactoryClient) -> Plan:
            plan = await make_plan(
                client,
                criteria,
                target_repository=target_repository,
                target_tags=target_tags,
                target_image=target_image,
                on_conflict=on_conflict,
                attachments=attachments,
                largest=largest,
            )
            return await apply_rules(plan, rules)

        return self._run_client(make)

    def plan_change(
        self, make: Callable[[ArtifactoryClient], Awaitable[ChangePlan]], *, is_rollback: bool = False
    ) -> PlannedChange:
        """Return what is to be done about one tag, as the rules let it be done now; nothing is changed.

        :param make: returns what would be done, as far as the images tell.
        :param is_rollback: whether a rollback is made, for which rules hold that name rollbacks.
        """
        rules = self.rules().for_rollback() if is_rollback else self.rules()

        async def ask(client: ArtifactoryClient) -> PlannedChange:
            return await ask_rules(
                await make(client),
                rules,
                verify=lambda source, checks: verify(client, source, checks, connect=HttpConnections()),
            )

        return self._run_client(ask)

    def list_tags(self, criteria: TagCriteria, *, with_times: bool = False) -> list[ListedTag]:
        """Return the tags that meet some criteria; see ``planning.sources.list_standing_tags``.

        :param criteria: which tags are meant.
        :param with_times: whether it is needed when each image was created.
        """
        return self._run_client(lambda client: list_standing_tags(client, criteria, with_times=with_times))

    def find_previous(self, target: ImageReference, *, property_prefix: str = "promotion") -> ImageReference:
        """Return the backup of what a tag showed before its last promotion, pinned.

        :param target: repository, image and tag; with a digest, that one is gone back to.
        :param property_prefix: the first part of the names of the properties that record promotions.
        :raises NothingToRestore: when there is none.
        """
        return self._run_client(lambda client: find_previous(client, target, property_prefix=property_prefix))

    def verify(self, reference: ImageReference, checks: Sequence[Check]) -> Verification:
        """Ask all checks once about what a tag shows.

        :param reference: repository, image and tag; with a digest, that digest alone counts.
        :param checks: the questions.
        """
        connect = HttpConnections()
        return self._run_client(lambda client: verify(client, reference, checks, connect=connect))

    def verify_many(self, references: Sequence[ImageReference], checks: Sequence[Check]) -> list[Verification]:
        """Ask all checks once about what many tags show, by few requests.

        :param references: repository, image and tag; with a digest, that digest alone counts.
        :param checks: the questions.
        :return: one verification for each reference, in their order.
        """

        async def ask(client: ArtifactoryClient) -> list[Verification]:
            async with Ledger(client) as ledger:
                return await verify_many(ledger, references, checks, connect=HttpConnections())

        return self._run_client(ask)

    def write_verdicts(self, reference: ImageReference, verdicts: Sequence[Mapping[str, Any]], *, prefix: str) -> None:
        """Write verdicts to properties of the manifest that they are about, ``<prefix>.<check>`` each.

        :param reference: repository, image and tag, pinned to the digest that has passed.
        :param verdicts: as a sensor hands them on.
        :param prefix: the first part of the properties' names.
        :raises SourceMoved: when the tag shows another digest.
        """
        self._run_client(lambda client: write_verdicts(client, reference, verdicts, prefix=prefix))

    def test_connection(self) -> tuple[bool, str]:
        """Ask the server whether it works and knows the credentials, for Airflow's Test button."""

        async def look(client: ArtifactoryClient) -> str:
            await client.ping()
            return await client.version()

        try:
            worked, said = True, f"Artifactory {self._run_client(look)} answers and accepts the credentials."
        except ArtifactoryError as error:
            worked, said = False, str(error)
        warning = explain_unknown_keys(self.get_connection(self.artifactory_conn_id).extra_dejson)
        return worked, f"{said} {warning}" if warning else said
