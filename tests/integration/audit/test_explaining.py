"""Every tag that a promotion has put somewhere is explained, and no other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.integration.audit.legitimate import promote_every_way, push
from tests.integration.gateway import Gateway, Reply
from tests.integration.promotion.attaching import Pusher
from tests.integration.promotion.dev_to_qa import TRANSIT, promotion

from artifactory_provider.artifactory.errors import ArtifactoryError
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.audit import Explainer, Explanation, Survey, take_survey
from artifactory_provider.promotion.decisions import hold, reject
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.tags import name_backup, name_pending

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox


async def look(client: ArtifactoryClient, image: str, *repositories: str) -> Survey:
    return await take_survey(client, repositories or ("docker-qa", "docker-prod", TRANSIT), Patterns((f"{image}*",)))


async def explain(client: ArtifactoryClient, image: str, tag: str, **known: str) -> Explanation:
    found = await look(client, image, "docker-qa")
    standing = found.find(ImageReference("docker-qa", image, tag))
    assert standing is not None
    digests = {("docker-qa", image, name): [digest] for name, digest in known.items()}
    return Explainer(found, known=digests).explain(standing)


async def test_what_promotions_of_every_kind_have_left_is_explained(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    await promote_every_way(direct, sandbox, image)
    found = await look(direct, image)
    explainer = Explainer(found)
    explained = {str(tag.place): explainer.explain(tag) for tag in found}
    assert {place: one.words for place, one in explained.items() if not one.is_explained} == {}
    kinds = Counter(one.kind for one in explained.values())
    assert kinds["promoted"] > 30
    assert kinds["backup"] >= 3
    assert kinds["attachment"] > 10


async def test_what_was_pushed_is_not_explained_and_says_by_whom_and_when(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-qa/{image}:1")
    found = await explain(direct, image, "1")
    assert found.kind == "unexplained"
    assert "No promotion explains it. It was pushed by admin at 20" in found.words
    assert found.record is None


async def test_a_push_over_a_promoted_tag_is_not_explained(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-dev/{image}:1")
    await promote(direct, promotion(image))
    assert (await explain(direct, image, "1")).kind == "promoted"
    push(sandbox, f"docker-qa/{image}:1")
    assert (await explain(direct, image, "1")).kind == "unexplained"


async def test_a_record_does_not_explain_the_copy_that_somebody_makes_of_its_tag(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-dev/{image}:1")
    await promote(direct, promotion(image))
    tag = ImageReference("docker-qa", image, "1")
    await direct.promote(tag, ImageReference("docker-qa", image, "latest"), copy=True)
    found = await explain(direct, image, "latest")
    assert found.kind == "unexplained"
    assert f"It is a copy: its record is that of {tag}." in found.words
    await direct.promote(tag, ImageReference("docker-prod", image, "1"), copy=True)
    [copied] = await look(direct, image, "docker-prod")
    assert not Explainer(await look(direct, image, "docker-prod")).explain(copied).is_explained


async def test_a_promotion_after_a_copy_by_hand_writes_a_record_of_its_own(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    """The fast way writes a record where there is none of this promotion; one that came along is none."""
    push(sandbox, f"docker-dev/{image}:1")
    await promote(direct, promotion(image, target=ImageReference("docker-prod", image, "1")))
    await direct.promote(ImageReference("docker-prod", image, "1"), ImageReference("docker-qa", image, "1"), copy=True)
    await promote(direct, promotion(image, two_phase=False))
    assert (await explain(direct, image, "1")).kind == "promoted"


@pytest.mark.parametrize("name", ["backup", "pending", "moved", "child"])
async def test_a_name_alone_explains_nothing_that_has_other_bytes(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str, name: str
) -> None:
    other = "sha256:" + "ab" * 32
    target = ImageReference("docker-qa", image, "1", other)
    named = {
        "backup": name_backup(target.unpinned(), other),
        "pending": name_pending(target, "run1"),
        "moved": ImageReference("docker-qa", image, f"moved-{'ab' * 6}-{'0' * 8}-run1"),
        "child": ImageReference("docker-qa", image, "1-linux-amd64"),
    }[name]
    push(sandbox, str(named.unpinned()))
    assert (await explain(direct, image, str(named.tag))).kind == "unexplained"


async def test_a_backup_of_what_nobody_has_replaced_is_not_explained(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"docker-qa/{image}:made-up")
    backup = name_backup(ImageReference("docker-qa", image, "1"), digest)
    sandbox.tag(f"docker-qa/{image}:made-up", str(backup.unpinned()))
    assert (await explain(direct, image, str(backup.tag))).kind == "unexplained"


async def test_a_backup_of_what_was_pushed_by_hand_is_explained_by_what_replaced_it(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"docker-qa/{image}:1")
    push(sandbox, f"docker-dev/{image}:1")
    await promote(direct, promotion(image, on_conflict="backup"))
    assert (await explain(direct, image, f"1-previous-{digest[7:19]}")).kind == "backup"


async def test_what_is_held_is_explained_by_who_holds_it(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    push(sandbox, f"docker-qa/{image}:1")
    await hold(direct, ImageReference("docker-qa", image, "1"), reason="brought by hand in the outage", by="jane")
    found = await explain(direct, image, "1")
    assert found.kind == "held"
    assert "brought by hand in the outage (by jane" in found.words


async def test_without_a_record_what_others_know_explains_that_digest_and_no_other(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"docker-dev/{image}:1")
    await promote(direct, promotion(image, property_prefix=None))
    assert (await explain(direct, image, "1")).kind == "unexplained"
    assert (await explain(direct, image, "1", **{"1": digest})).kind == "known"
    assert (await explain(direct, image, "1", **{"1": "sha256:" + "0" * 64})).kind == "unexplained"


async def test_an_attachment_is_explained_by_what_it_belongs_to(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"docker-dev/{image}:1")
    await promote(direct, promotion(image))
    Pusher(sandbox, f"docker-qa/{image}").sign(digest, "later")
    tag = f"{digest.replace(':', '-')}.sig"
    assert (await explain(direct, image, tag)).kind == "attachment"
    sandbox.delete(f"docker-qa/{image}:1")
    assert (await explain(direct, image, tag)).kind == "orphan"


async def test_a_survey_reads_a_repository_span_by_span_and_misses_nothing(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, monkeypatch: pytest.MonkeyPatch, gateway: Gateway
) -> None:
    monkeypatch.setattr("artifactory_provider.audit.survey._TAGS_A_SPAN", 7)
    for number in range(30):
        push(sandbox, f"docker-qa/{image}/part-{number % 4}:{number}", platforms=("linux/amd64", "linux/arm64"))
    found = await look(client, image, "docker-qa")
    assert sorted(tag.name for tag in found) == sorted(map(str, range(30)))
    assert len(found.images) == 4
    queries = [one for one in gateway.requests if one.path.endswith("/search/aql")]
    assert len(queries) == 1 + 2 * (1 + 30 // 7) + 1  # children; each span and its end; what is rejected anywhere


async def test_a_survey_brings_along_what_is_said_of_an_image_anywhere(
    direct: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    digest = push(sandbox, f"docker-dev/{image}:1")
    await promote(direct, promotion(image))
    sandbox.set_properties(f"docker-qa/{image}:1", {"team": "payments"})
    await reject(direct, ImageReference("docker-dev", image, "1"), reason="it leaks", by="jane")
    sandbox.delete(f"docker-qa/{image}:1")
    await promote_by_hand(direct, image)
    found = await look(direct, image, "docker-qa")
    [tag] = found
    assert tag.by == "admin"
    assert tag.media_type == "application/vnd.oci.image.manifest.v1+json"
    assert tag.size > 100
    assert "docker.repoName" not in tag.properties
    assert "it leaks" in str(found.rejects(digest))


async def test_a_survey_fails_where_queries_are_refused(
    client: ArtifactoryClient, image: str, gateway: Gateway
) -> None:
    gateway.rule("POST", "/search/aql", reply=Reply(403), does_work=False)
    with pytest.raises(ArtifactoryError):
        await look(client, image)


async def promote_by_hand(client: ArtifactoryClient, image: str) -> None:
    await client.promote(ImageReference("docker-dev", image, "1"), ImageReference("docker-qa", image, "1"), copy=True)
