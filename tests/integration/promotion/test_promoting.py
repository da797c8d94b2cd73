from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.integration.gateway import Reply
from tests.integration.promotion.dev_to_qa import ABSENT, PLATFORMS, PROMOTE, promotion

from artifactory_provider.artifactory.errors import (
    ImageNotFound,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import SourceMoved, TargetConflict, TargetUnverified
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.transfer import pin

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox


async def test_a_copied_image_stands_in_both_repositories_under_one_digest(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    record = await promote(client, promotion(image))
    assert (record.outcome, record.replaced, record.copy, record.children) == ("promoted", None, True, ())
    assert record.source.digest == record.target.digest == digest
    assert sandbox.digest(f"docker-qa/{image}:1") == sandbox.digest(f"docker-dev/{image}:1") == digest


async def test_a_moved_image_stands_in_the_target_alone(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    record = await promote(client, promotion(image, copy=False))
    assert (record.outcome, record.copy) == ("promoted", False)
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert sandbox.digest(f"docker-dev/{image}:1") is None


@pytest.mark.parametrize("copy", [True, False])
async def test_a_tag_is_given_another_name_in_its_own_repository(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, copy: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    await promote(client, promotion(image, target=ImageReference("docker-dev", image, "stable"), copy=copy))
    assert sandbox.digest(f"docker-dev/{image}:stable") == digest
    assert sandbox.tags("docker-dev", image) == (["1", "stable"] if copy else ["stable"])


async def test_an_image_may_have_another_name_in_the_target(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    record = await promote(client, promotion(image, target=ImageReference("docker-qa", f"{image}/release", "v1")))
    assert sandbox.digest(f"docker-qa/{image}/release:v1") == digest
    assert str(record.target) == f"docker-qa/{image}/release:v1@{digest}"


@pytest.mark.parametrize("oci", [True, False])
async def test_an_index_arrives_with_all_its_children_and_each_of_them_is_asked_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, oci: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS, oci=oci)
    gateway.rule("POST", "/search/aql", reply=Reply(403), does_work=False)
    record = await promote(client, promotion(image))
    assert record.target.digest == digest
    assert len(record.children) == 2
    for child in record.children:
        assert sandbox.digest(f"docker-qa/{image}@{child}") == child
        assert gateway.count("GET", f"docker-qa/v2/.*manifests/{child}") == 1


async def test_a_second_run_changes_nothing_and_says_so(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    await promote(client, promotion(image))
    record = await promote(client, promotion(image))
    assert (record.outcome, record.replaced) == ("unchanged", None)
    assert gateway.count("POST", PROMOTE) == 2


async def test_a_second_run_is_done_even_when_the_source_tag_has_gone_on_since(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    """A run that was killed after its work must not fail because CI has pushed the next build to the tag."""
    digest = sandbox.push_image(f"docker-dev/{image}:1", content="first")
    await promote(client, promotion(image, digest=digest))
    sandbox.push_image(f"docker-dev/{image}:1", content="second")
    for copy in (True, False):
        assert (await promote(client, promotion(image, digest=digest, copy=copy))).outcome == "unchanged"
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert sandbox.digest(f"docker-dev/{image}:1") is not None
    assert gateway.count("POST", PROMOTE) == 2


async def test_a_repeated_move_whose_source_is_gone_has_happened(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    await promote(client, promotion(image, copy=False))
    record = await promote(client, promotion(image, copy=False, digest=digest))
    assert record.outcome == "unchanged"
    assert gateway.count("POST", PROMOTE) == 3
    with pytest.raises(ImageNotFound):
        await promote(client, promotion(image, copy=False))


async def test_a_move_that_stopped_halfway_is_finished(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    await promote(client, promotion(image))
    record = await promote(client, promotion(image, copy=False))
    assert record.outcome == "unchanged"
    assert sandbox.digest(f"docker-qa/{image}:1") == digest
    assert sandbox.digest(f"docker-dev/{image}:1") is None


async def test_another_digest_under_the_target_tag_is_a_conflict_and_stays(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new")
    old = sandbox.push_image(f"docker-qa/{image}:1", content="old")
    with pytest.raises(
        TargetConflict, match=f"{old} already, and {new}.*nothing was changed.*on_conflict='backup' or 'overwrite'"
    ):
        await promote(client, promotion(image))
    assert sandbox.digest(f"docker-qa/{image}:1") == old
    assert gateway.count("POST", PROMOTE) == 0


async def test_overwriting_is_done_when_asked_for_and_the_old_digest_is_recorded(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    new = sandbox.push_image(f"docker-dev/{image}:1", content="new", platforms=PLATFORMS)
    old = sandbox.push_image(f"docker-qa/{image}:1", content="old")
    record = await promote(client, promotion(image, on_conflict="overwrite"))
    assert (record.outcome, record.replaced) == ("promoted", old)
    assert sandbox.digest(f"docker-qa/{image}:1") == new


async def test_a_digest_that_the_source_tag_no_longer_shows_is_not_promoted(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    verified = sandbox.push_image(f"docker-dev/{image}:1", content="verified")
    now = sandbox.push_image(f"docker-dev/{image}:1", content="pushed since")
    for copy in (True, False):
        with pytest.raises(SourceMoved, match=f"shows {now}, but {verified} was to be promoted: the tag was moved"):
            await promote(client, promotion(image, digest=verified, copy=copy))
    assert sandbox.digest(f"docker-qa/{image}:1") is None
    assert gateway.count("POST", PROMOTE) == 0


async def test_a_source_tag_that_is_moved_after_the_pin_is_found_out_with_both_digests(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    verified = sandbox.push_image(f"docker-dev/{image}:1", content="verified")
    pushed: list[str] = []
    gateway.rule(
        "POST",
        PROMOTE,
        before=lambda: pushed.append(sandbox.push_image(f"docker-dev/{image}:1", content="pushed meanwhile")),
    )
    with pytest.raises(SourceMoved) as caught:
        await promote(client, promotion(image, digest=verified))
    assert verified in str(caught.value)
    assert pushed[0] in str(caught.value)


async def test_a_source_tag_that_is_moved_during_a_move_is_found_out_too(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    verified = sandbox.push_image(f"docker-dev/{image}:1", content="verified")
    gateway.rule("POST", PROMOTE, before=lambda: sandbox.push_image(f"docker-dev/{image}:1", content="other"))
    with pytest.raises(SourceMoved, match=f"was moved from {verified} to .* while it was promoted: .* is not kept"):
        await promote(client, promotion(image, digest=verified, copy=False))
    assert sandbox.digest(f"docker-qa/{image}:1") is None


async def test_without_two_phases_the_error_says_that_the_target_shows_the_wrong_digest(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    verified = sandbox.push_image(f"docker-dev/{image}:1", content="verified")
    gateway.rule("POST", PROMOTE, before=lambda: sandbox.push_image(f"docker-dev/{image}:1", content="other"))
    with pytest.raises(SourceMoved, match=f"docker-qa/{image}:1 shows the wrong digest now") as caught:
        await promote(client, promotion(image, digest=verified, two_phase=False))
    assert str(sandbox.digest(f"docker-qa/{image}:1")) in str(caught.value)


async def test_a_target_tag_that_someone_else_writes_meanwhile_is_found_out(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    gateway.rule("POST", PROMOTE, after=lambda: sandbox.push_image(f"docker-qa/{image}:1", content="someone else's"))
    with pytest.raises(TargetConflict, match="somebody else writes this tag"):
        await promote(client, promotion(image))
    with pytest.raises(TargetUnverified, match="Find out who writes these tags"):
        await promote(client, promotion(image, on_conflict="overwrite", two_phase=False))


async def test_a_pin_without_a_digest_is_what_the_tag_shows(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:1")
    assert (await pin(client, ImageReference("docker-dev", image, "1"))).digest == digest
    with pytest.raises(SourceMoved):
        await pin(client, ImageReference("docker-dev", image, "1", ABSENT))
