"""What promotions ask together and once, what is remembered, and what never happens to those who share a ledger."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.gateway import Gateway, Reply, html
from tests.integration.promotion.dev_to_qa import promotion

from artifactory_provider.artifactory.client import ArtifactoryClient
from artifactory_provider.artifactory.errors import (
    PermissionDenied,
    ServerFailed,
    UnsupportedRepository,
)
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion import ledger as module
from artifactory_provider.promotion.batch import promote_many
from artifactory_provider.promotion.ledger import Ledger
from artifactory_provider.promotion.promote import promote
from artifactory_provider.promotion.queries import Question
from artifactory_provider.promotion.request import Promotion, PromotionOptions, make_promotions
from artifactory_sandbox import layout
from artifactory_sandbox.items import stamp
from artifactory_sandbox.names import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from artifactory_provider.promotion.listing import Listing
    from artifactory_sandbox.pytest_plugin import RunningSandbox

AQL = "/api/search/aql$"
BOUND = 60


def tags_of(image: str, number: int, repository: str = "docker-dev") -> list[ImageReference]:
    return [ImageReference(repository, image, str(tag)) for tag in range(number)]


def push(sandbox: RunningSandbox, image: str, number: int) -> dict[ImageReference, str]:
    return {tag: sandbox.push_image(str(tag)) for tag in tags_of(image, number)}


def batch(image: str, number: int, **changes: Any) -> tuple[Promotion, ...]:
    fields = {"confirmation_timeout": 2.0, "property_prefix": None, **changes}
    pairs = zip(tags_of(image, number), tags_of(image, number, "docker-qa"), strict=True)
    return make_promotions(pairs, PromotionOptions(**fields))


async def look_each(ledger: Ledger, tags: Iterable[ImageReference]) -> list[Listing]:
    """Ask for each tag alone, all at the same moment."""
    return await asyncio.gather(*(ledger.look(Question(tags=(tag,))) for tag in tags))


async def give_way() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def until(gateway: Gateway, method: str, path: str) -> None:
    async with asyncio.timeout(BOUND):
        while not gateway.count(method, path):  # noqa: ASYNC110 - the gateway tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions wait for others as long as they like: whoever waits for the timer never gets an answer."""
    monkeypatch.setattr(module, "_JOIN_WITHIN", 3600)


async def test_questions_that_wait_at_the_same_moment_are_joined_into_one_query(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    pushed = push(sandbox, image, 20)
    async with Ledger(client) as ledger, ledger.shared_by(20):
        listings = await asyncio.wait_for(look_each(ledger, pushed), BOUND)
    shown = [listing.shows(tag) for listing, tag in zip(listings, pushed, strict=True)]
    assert [one and one.digest for one in shown] == list(pushed.values())
    assert gateway.count("POST", AQL) == 1


@pytest.mark.usefixtures("patient")
async def test_all_who_share_a_ledger_are_answered_as_soon_as_all_wait_or_have_left(
    client: ArtifactoryClient, gateway: Gateway, image: str
) -> None:
    async with Ledger(client) as ledger, ledger.shared_by(5):
        asking = asyncio.ensure_future(look_each(ledger, tags_of(image, 4)))
        await give_way()
        assert gateway.count("POST", AQL) == 0
        ledger.leave()
        await asyncio.wait_for(asking, BOUND)
    assert gateway.count("POST", AQL) == 1


async def test_who_does_not_ask_keeps_the_others_waiting_for_a_moment_only(
    client: ArtifactoryClient, gateway: Gateway, image: str
) -> None:
    async with Ledger(client) as ledger, ledger.shared_by(50):
        await asyncio.wait_for(look_each(ledger, tags_of(image, 4)), BOUND)
    assert gateway.count("POST", AQL) == 1


@pytest.mark.usefixtures("patient")
async def test_a_single_promotion_waits_for_no_other(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    assert (await asyncio.wait_for(promote(client, promotion(image)), BOUND)).outcome == "promoted"


@pytest.mark.usefixtures("patient")
async def test_two_ledgers_on_one_client_do_not_wait_for_each_other(client: ArtifactoryClient, image: str) -> None:
    tags = tags_of(image, 1)
    async with Ledger(client) as shared, shared.shared_by(2), Ledger(client) as alone:
        waiting = asyncio.ensure_future(look_each(shared, tags))
        await give_way()
        await asyncio.wait_for(look_each(alone, tags), BOUND)
        assert not waiting.done()
        shared.leave()
        await asyncio.wait_for(waiting, BOUND)


async def test_while_a_server_is_slow_to_answer_queries_the_questions_that_come_meanwhile_join(
    client: ArtifactoryClient, gateway: Gateway, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would pile up otherwise, a query for each moment in which some were asked."""
    monkeypatch.setattr(module, "_JOIN_WITHIN", 0)
    go_on = threading.Event()
    gateway.rule("POST", AQL, times=1, before=lambda: go_on.wait(BOUND))
    async with Ledger(client) as ledger, ledger.shared_by(100):
        asking = []
        for tag in tags_of(image, 30):
            asking.append(asyncio.ensure_future(look_each(ledger, [tag])))
            await asyncio.sleep(0.005)
        go_on.set()
        await asyncio.wait_for(asyncio.gather(*asking), BOUND)
    assert gateway.count("POST", AQL) <= 4


async def test_a_manifest_is_read_once_and_its_referrers_asked_for_once_though_many_tags_show_it(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:0")
    for number in range(1, 20):
        sandbox.tag(f"docker-dev/{image}:0", f"docker-dev/{image}:{number}")
    report = await promote_many(client, batch(image, 20))
    assert report.counts["promoted"] == 20
    assert gateway.count("GET", f"docker-dev/v2/{image}/manifests/{digest}$") == 1
    assert gateway.count("GET", f"/referrers/{digest}$") == 1


async def test_a_permission_is_asked_for_once_a_repository_and_where_it_is_refused_once_an_image(
    settings: Callable[..., Any], sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    images = [f"{image}/{number}" for number in range(4)]
    for name in images:
        push(sandbox, name, 3)
    promotions = [one for name in images for one in batch(name, 3)]
    async with ArtifactoryClient(settings(username="deployer")) as client:
        report = await promote_many(client, promotions)
    assert [type(one.error) for one in report.failures] == [PermissionDenied] * 12
    asked = Counter(one.path.rpartition("/")[0] for one in gateway.requests if one.method == "DELETE")
    assert sorted(asked.values()) == [1] * 4
    assert gateway.count("GET", "/api/repositories/") <= 1
    async with ArtifactoryClient(settings()) as client:
        await promote_many(client, promotions)
    assert gateway.count("DELETE", "/pending-") == 4 + 1


async def test_who_is_refused_keeps_nobody_waiting_who_asks_for_another_image(
    client: ArtifactoryClient, image: str
) -> None:
    asked, all_others_ask = 0, asyncio.Event()

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if asked == 10:
            all_others_ask.set()
        if asked > 1:
            await all_others_ask.wait()
        raise PermissionDenied("no")

    async with Ledger(client) as ledger:
        places = [ImageReference("docker-qa", f"{image}/{number}") for number in range(10)]
        asking = asyncio.gather(*(ledger.permit(place, ask) for place in places), return_exceptions=True)
        assert [type(error) for error in await asyncio.wait_for(asking, BOUND)] == [PermissionDenied] * 10
    assert asked == 10


async def test_the_kind_of_a_repository_is_asked_for_once_also_among_thousands_of_other_answers(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_KNOWN", 5)
    pushed = push(sandbox, image, 10)
    async with Ledger(client) as ledger:
        for digest in pushed.values():
            await ledger.check_repository("docker-dev")
            await ledger.read(ImageReference("docker-dev", image).pinned(digest))
        assert len(ledger._known) <= 5
    assert gateway.count("GET", "/api/repositories/docker-dev") == 1


async def test_a_kind_that_a_failure_has_hidden_is_asked_for_again_and_one_that_nobody_may_see_is_not(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    gateway.rule("GET", "/api/repositories/", times=3, reply=Reply(503))
    async with Ledger(client) as ledger:
        await ledger.check_repository("docker-virtual")
        with pytest.raises(UnsupportedRepository):
            await ledger.check_repository("docker-virtual")
    before = gateway.count("GET", "/api/repositories/")
    gateway.rule("GET", "/api/repositories/", reply=html(200))
    async with Ledger(client) as ledger:
        for _ in range(5):
            await ledger.check_repository("docker-virtual")
    assert gateway.count("GET", "/api/repositories/") == before + 1


@pytest.mark.parametrize("status", [401, 403, 404, 405])
async def test_that_a_server_refuses_queries_is_remembered(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, status: int
) -> None:
    push(sandbox, image, 50)
    gateway.rule("POST", AQL, reply=Reply(status), does_work=False)
    report = await promote_many(client, batch(image, 50))
    assert report.counts["promoted"] == 50
    assert gateway.count("POST", AQL) == 1


async def test_a_query_that_is_refused_for_what_it_holds_is_not_taken_for_all(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    pushed = push(sandbox, image, 1)
    gateway.rule("POST", AQL, times=1, reply=Reply(400), does_work=False)
    async with Ledger(client) as ledger:
        for _ in range(3):
            [listing] = await look_each(ledger, pushed)
            assert all(listing.shows(tag) for tag in pushed)
    assert gateway.count("POST", AQL) == 3
    assert gateway.count("HEAD", "/manifests/0$") == 1


@pytest.mark.parametrize("reply", [Reply(500), html(200), Reply(400)], ids=["500", "HTML", "400"])
async def test_one_odd_name_that_spoils_a_query_fails_no_other(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, reply: Reply
) -> None:
    odd = next(iter(push(sandbox, image, 10)))
    forward = gateway._forward

    async def spoil(seen: Any) -> Reply:
        is_odd = seen.path.endswith("/search/aql") and f'{image}/{odd.tag}"'.encode() in seen.body
        return reply if is_odd else await forward(seen)

    gateway._forward = spoil  # type: ignore[method-assign]
    report = await promote_many(client, batch(image, 10))
    assert {one.source.tag for one in report.failures} <= {odd.tag}, [str(one.error) for one in report.failures]
    assert report.counts["promoted"] >= 9


@pytest.mark.parametrize("status", [503, 504])
async def test_a_server_that_has_too_much_to_do_is_not_asked_for_each_tag_instead(
    client: ArtifactoryClient, gateway: Gateway, image: str, status: int
) -> None:
    gateway.rule("POST", AQL, reply=Reply(status), does_work=False)
    async with Ledger(client) as ledger, ledger.shared_by(10):
        asking = [ledger.look(Question(tags=(tag,))) for tag in tags_of(image, 10)]
        assert [type(one) for one in await asyncio.gather(*asking, return_exceptions=True)] == [ServerFailed] * 10
    assert gateway.count("HEAD", "/manifests/") == 0


async def test_where_queries_are_refused_the_tags_of_an_image_are_listed_once_for_all_questions_of_a_moment(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    pushed = push(sandbox, image, 20)
    gateway.rule("POST", AQL, reply=Reply(403), does_work=False)
    asked = [Question(tags=(tag,), pending_in=(("docker-dev", image),)) for tag in pushed]
    async with Ledger(client) as ledger, ledger.shared_by(20):
        await asyncio.gather(*map(ledger.look, asked))
        assert gateway.count("GET", "/tags/list") == 1
        gateway.rule("GET", "/tags/list", reply=Reply(403), does_work=False)
        failed = await asyncio.gather(*map(ledger.look, asked), return_exceptions=True)
    assert [type(error) for error in failed] == [PermissionDenied] * 20
    assert gateway.count("GET", "/tags/list") == 2


@pytest.mark.usefixtures("patient")
async def test_where_queries_are_refused_who_is_answered_first_does_not_ask_again_alone_each_time(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    pushed = push(sandbox, image, 20)
    gateway.rule("POST", AQL, reply=Reply(403), does_work=False)
    async with Ledger(client) as ledger, ledger.shared_by(20):

        async def ask(tag: ImageReference) -> None:
            for _ in range(3):
                await ledger.look(Question(tags=(tag,), pending_in=(("docker-dev", image),)))
            ledger.leave()

        await asyncio.wait_for(asyncio.gather(*map(ask, pushed)), BOUND)
    assert gateway.count("GET", "/tags/list") <= 8


async def test_a_query_stays_below_the_files_that_one_answer_has_and_the_length_that_servers_bear(
    client: ArtifactoryClient, gateway: Gateway, image: str
) -> None:
    many = tags_of(image, 2000)
    folders = tuple(("docker-qa", f"{image}/sha256:{number:064}") for number in range(1000))
    long = tuple(ImageReference("docker-prod", f"{image}/{'x' * 180}", f"{number:0128}") for number in range(800))
    async with Ledger(client) as ledger:
        await ledger.look(Question(tags=(*many, *long), folders=folders))
    bodies = [one.body.decode() for one in gateway.requests if one.path.endswith("/search/aql")]
    criteria = [body.partition(").include(")[0] for body in bodies]
    assert all(len(one) <= 100_000 for one in criteria)
    in_folders = [one.count("/sha256:") for one in criteria]
    paths = [one.count('"path": "') for one in criteria]
    assert sum(paths) == len(many) + len(folders) + len(long)
    assert all(4 * inside + (every - inside) <= 900 for inside, every in zip(in_folders, paths, strict=True))


async def test_who_stops_asking_disturbs_no_other(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    pushed = push(sandbox, image, 3)
    digest = next(iter(pushed.values()))
    place = ImageReference("docker-dev", image).pinned(digest)
    async with Ledger(client) as ledger, ledger.shared_by(3):
        asking = [asyncio.ensure_future(ledger.look(Question(tags=(tag,)))) for tag in pushed]
        await give_way()
        asking[0].cancel()
        listings = await asyncio.wait_for(asyncio.gather(*asking[1:]), BOUND)
        assert all(listing.shows(tag) for listing, tag in zip(listings, list(pushed)[1:], strict=True))

        reading = [asyncio.ensure_future(ledger.read(place)) for _ in range(3)]
        await give_way()
        reading[0].cancel()
        assert {one.descriptor.digest for one in await asyncio.gather(*reading[1:])} == {digest}
    assert gateway.count("GET", f"/manifests/{digest}$") == 1


@pytest.mark.parametrize("are_queries_refused", [False, True])
async def test_nothing_runs_on_after_a_ledger_is_closed(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str, are_queries_refused: bool
) -> None:
    digest = sandbox.push_image(f"docker-dev/{image}:0")
    before = asyncio.all_tasks()
    never = ("GET", "/tags/list") if are_queries_refused else ("POST", AQL)
    if are_queries_refused:
        gateway.rule("POST", AQL, reply=Reply(403), does_work=False)
    gateway.rule(*never, ending="never")
    gateway.rule("GET", "/manifests/", ending="never")
    async with Ledger(client) as ledger:
        asking = [
            asyncio.ensure_future(ledger.look(Question(pending_in=(("docker-dev", image),)))),
            asyncio.ensure_future(ledger.read(ImageReference("docker-dev", image).pinned(digest))),
        ]
        await until(gateway, *never)
        await until(gateway, "GET", "/manifests/")
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    assert asyncio.all_tasks() == before


async def test_a_look_that_fails_tells_everybody_and_is_asked_anew_the_next_time(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    pushed = push(sandbox, image, 5)
    gateway.rule("POST", AQL, times=3, reply=Reply(503), does_work=False)
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with Ledger(client) as ledger, ledger.shared_by(5):
        asking = [asyncio.ensure_future(ledger.look(Question(tags=(tag,)))) for tag in pushed]
        await give_way()
        asking[0].cancel()
        failed = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(error) for error in failed] == [asyncio.CancelledError, *[ServerFailed] * 4]
        assert len(await look_each(ledger, pushed)) == 5
    del failed, asking
    gc.collect()
    assert told == [], "no error is left that nobody has asked for"


async def test_two_who_share_a_client_do_not_limit_each_other_and_leave_no_limit_behind(
    client: ArtifactoryClient, gateway: Gateway
) -> None:
    gateway.rule("GET", "/api/repositories/", ending="never")
    entered, leave = asyncio.Event(), asyncio.Event()

    async def share() -> None:
        with client.at_most(1):
            entered.set()
            await leave.wait()

    async def ask(expected: int) -> None:
        before = gateway.count("GET", "/api/repositories/")
        asking = [asyncio.ensure_future(client.repository("docker-dev")) for _ in range(5)]
        async with asyncio.timeout(5):
            while gateway.count("GET", "/api/repositories/") < before + expected:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert gateway.count("GET", "/api/repositories/") == before + expected

    sharing = asyncio.create_task(share())
    await entered.wait()
    await ask(5)
    with client.at_most(2):
        leave.set()
        await sharing
        await ask(2)
    await ask(5)


async def test_ten_thousand_promotions_that_are_done_already_cost_few_requests_and_few_tasks(
    client: ArtifactoryClient, sandbox: RunningSandbox, gateway: Gateway, image: str
) -> None:
    images, tags = [f"{image}/{number}" for number in range(20)], 500
    for place in (Place(repository, name) for repository in ("docker-dev", "docker-qa") for name in images):
        sandbox.push_image(f"{place.repository}/{place.image}:0", content="one")
        with sandbox.service.database.writing() as tx:
            item = layout.find_manifest(tx, place, "0")
            assert item is not None
            for tag in range(1, tags):
                layout.retag(tx, place, item, str(tag), stamp=stamp("admin"))
    promotions = [one for name in images for one in batch(name, tags, attachments="tags")]
    most = 0

    def watch(_: object) -> None:
        nonlocal most
        most = max(most, len(asyncio.all_tasks()))

    report = await promote_many(client, promotions, on_progress=watch)
    assert report.counts == {"promoted": 0, "unchanged": 10_000, "failed": 0}
    assert len(gateway.requests) <= 80
    assert most <= 600
