"""Hundreds of digests are asked about together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.integration.gateway import Reply
from tests.integration.promotion.attaching import Pusher
from tests.integration.verification.signed import signature
from tests.signing import signer

from artifactory_provider.artifactory.errors import PermissionDenied
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.verification import SignatureCheck, State, verify_many

if TYPE_CHECKING:
    from tests.integration.gateway import Gateway

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

CHECK = SignatureCheck(key=signer().pem)
THERE = SignatureCheck()


async def sign_many(sandbox: RunningSandbox, image: str, count: int) -> list[ImageReference]:
    pusher = Pusher(sandbox, f"docker-dev/{image}")
    references = []
    for number in range(count):
        digest = sandbox.push_image(f"docker-dev/{image}:{number}")
        pusher.attach(digest, signature(digest), suffix=".sig")
        references.append(ImageReference("docker-dev", image, str(number), digest))
    return references


async def test_presence_on_three_hundred_digests_is_one_query(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = await sign_many(sandbox, image, 200) + await sign_many(sandbox, f"{image}-b", 100)
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, references, [THERE])
    assert {one.state for one in found} == {State.PASSED}
    # One for what the tags show, one more after the verdicts, and one for all signatures.
    assert [re.sub(r"\?.*", "", seen.path) for seen in gateway.requests] == ["/artifactory/api/search/aql"] * 3


async def test_signatures_of_many_digests_are_verified_by_two_requests_each(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = await sign_many(sandbox, image, 30)
    sandbox.push_image(f"docker-dev/{image}:unsigned")
    unsigned = ImageReference("docker-dev", image, "unsigned")
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, [*references, unsigned], [CHECK])
    assert [one.state for one in found] == [State.PASSED] * 30 + [State.PENDING]
    assert gateway.count("POST", "/aql") == 3
    assert gateway.count("GET", "/manifests/") == gateway.count("GET", "/blobs/") == 30
    assert gateway.count("GET", "/referrers/") == 1


async def test_two_checks_of_one_look_ask_for_the_tags_once(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = await sign_many(sandbox, image, 5)
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, references, [CHECK, THERE])
    assert {one.state for one in found} == {State.PASSED}
    assert gateway.count("POST", "/aql") == 3
    assert gateway.count("GET", "/manifests/") == 5


async def test_where_the_server_refuses_queries_the_tags_are_listed_and_read(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = await sign_many(sandbox, image, 4)
    gateway.rule("POST", "/aql", reply=Reply(403), does_work=False)
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, references, [CHECK])
    assert {one.state for one in found} == {State.PASSED}
    assert gateway.count("GET", "/tags/list") == 1


async def test_an_image_that_may_not_be_read_stops_no_other(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    mine, others = await sign_many(sandbox, image, 3), await sign_many(sandbox, f"{image}-closed", 3)
    gateway.rule("POST", "/aql", reply=Reply(403), does_work=False)
    gateway.rule("GET", f"{image}-closed/tags/list", reply=Reply(403), does_work=False)
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, [*mine, *others], [CHECK])
    assert [one.state for one in found] == [State.PASSED] * 3 + [State.UNREADABLE] * 3
    assert all(isinstance(one.error, PermissionDenied) for one in found[3:])


async def test_a_server_that_is_overloaded_is_not_asked_image_by_image(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    references = [*await sign_many(sandbox, image, 2), *await sign_many(sandbox, f"{image}-b", 2)]
    gateway.rule("POST", "/aql", reply=Reply(503), does_work=False, fits=lambda seen: b"sha256-" in seen.body)
    async with Ledger(client) as ledger:
        found = await verify_many(ledger, references, [CHECK])
    assert {one.state for one in found} == {State.PENDING}
    # The look at the tags, and three attempts.
    assert len(gateway.requests) == gateway.count("POST", "/aql") == 4
