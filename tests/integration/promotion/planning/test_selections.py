from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
from tests.integration.promotion.planning.planning import PLATFORMS, actions, plan

from artifactory_provider.promotion.errors import InvalidPlan, InvalidPromotion
from artifactory_provider.promotion.planning.criteria import TagCriteria
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.planner import make_plan

if TYPE_CHECKING:
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_sandbox.pytest_plugin import RunningSandbox

DAY = datetime.datetime(2026, 1, 10, tzinfo=datetime.UTC)
pytestmark = pytest.mark.usefixtures("queries")


def date(sandbox: RunningSandbox, image: str, tag: str, **fields: datetime.datetime) -> None:
    """Set when a tag was created or came to its repository."""
    with sandbox.service.database.writing() as tx:
        for field, moment in fields.items():
            text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            tx.execute(
                f"UPDATE items SET {field} = ? WHERE path = ? AND kind = 'manifest'",  # noqa: S608
                (text, f"{image}/{tag}"),
            )


def days(number: float) -> datetime.datetime:
    return DAY + datetime.timedelta(days=number)


async def test_globs_expressions_exclusions_and_versions_choose_together(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for name in (f"{image}/api", f"{image}/web", f"{image}/api-legacy"):
        for tag in ("1.4.0", "v1.5.0", "2.0.0-rc.1", "2.0.0", "latest"):
            sandbox.push_image(f"docker-dev/{name}:{tag}")
    made = await plan(
        client,
        image,
        images=Patterns((f"{image}/*",), ("*-legacy",)),
        tags=Patterns(("regex:v?[0-9].*",), ("*.4.*",)),
        versions=">=1.4.0 <2.0.0",
    )
    assert [str(one.target) for one in made.promotions] == [
        f"docker-qa/{image}/api:v1.5.0",
        f"docker-qa/{image}/web:v1.5.0",
    ]


async def test_names_that_only_begin_alike_are_told_apart(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for name in (image, f"{image}/part", f"{image}0"):
        sandbox.push_image(f"docker-dev/{name}:1")
        sandbox.push_image(f"docker-dev/{name}:10")
    made = await plan(client, image, "1")
    assert [str(one.target) for one in made.promotions] == [f"docker-qa/{image}:1"]
    assert len((await plan(client, image, images=Patterns((f"{image}*",)))).promotions) == 6


@pytest.mark.parametrize("kind", ["created", "updated"])
@pytest.mark.parametrize("platforms", [PLATFORMS[:1], PLATFORMS])
async def test_a_window_holds_its_beginning_and_not_its_end(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, kind: str, platforms: tuple[str, ...]
) -> None:
    for number in range(4):
        sandbox.push_image(f"docker-dev/{image}:{number}", platforms=platforms)
        date(sandbox, image, str(number), **{kind: days(number)})
    window = {f"{kind}_from": days(1), f"{kind}_before": days(3)}
    assert set(actions(await plan(client, image, **window))) == {"1", "2"}
    elsewhere = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    shifted = {name: moment.astimezone(elsewhere) for name, moment in window.items()}
    assert set(actions(await plan(client, image, **shifted))) == {"1", "2"}
    assert set(actions(await plan(client, image, **{f"{kind}_from": days(2)}))) == {"2", "3"}


async def test_an_index_beside_a_manifest_is_what_the_tag_shows_in_every_window(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    index = sandbox.push_image(f"docker-dev/{image}:1", platforms=PLATFORMS)
    date(sandbox, image, "1", created=days(0))
    sandbox.push_image(f"docker-dev/{image}:single")
    date(sandbox, image, "single", created=days(5))
    with sandbox.service.database.writing() as tx:
        tx.execute("UPDATE items SET path = ? WHERE path = ? AND kind <> 'folder'", (f"{image}/1", f"{image}/single"))

    for window in ({}, {"created_before": days(1)}):
        assert [one.source.digest for one in (await plan(client, image, **window)).promotions] == [index]
    with pytest.raises(InvalidPlan, match="was created from"):
        await plan(client, image, created_from=days(4))


async def test_all_properties_must_be_as_asked_for(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag, properties in (("1", {"qa": "passed", "team": "a b"}), ("2", {"qa": "failed", "team": "a b"}), ("3", {})):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
        sandbox.set_properties(f"docker-dev/{image}:{tag}", properties)
    assert set(actions(await plan(client, image, properties={"qa": "passed", "team": "a b"}))) == {"1"}
    assert set(actions(await plan(client, image, properties={"team": "a b"}))) == {"1", "2"}


async def test_a_named_tag_outside_of_a_window_is_not_meant_and_not_missing(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for number in range(2):
        sandbox.push_image(f"docker-dev/{image}:{number}")
        date(sandbox, image, str(number), created=days(number))
    made = await plan(client, image, "0", "1", "2", created_from=days(1))
    assert actions(made) == {"1": "promote", "2": "missing"}


async def test_a_date_in_a_target_tag_is_when_the_image_was_created_in_the_source(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for number in range(2):
        sandbox.push_image(f"docker-dev/{image}:{number}")
        date(sandbox, image, str(number), created=days(number), updated=days(5))
    made = await plan(client, image, target_tags=("nightly-{date:%Y%m%d}",))
    assert [(one.source.tag, one.target.tag) for one in made.promotions] == [
        ("0", "nightly-20260110"),
        ("1", "nightly-20260111"),
    ]


async def test_nothing_that_matches_is_explained_by_the_part_that_matches_nothing(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for tag in ("1.4.0", "1.5.0", "1.6.0", "1.7.0"):
        sandbox.push_image(f"docker-dev/{image}:{tag}")
        date(sandbox, image, tag, created=days(0), updated=days(1))
    near = f"{image[:-1]}x{image[-1:]}"
    cases: list[tuple[dict[str, Any], str]] = [
        ({"repositories": ("docker-nowhere",)}, "no repository 'docker-nowhere'"),
        ({"repositories": ("docker-dev", "docker-nowhere")}, "no repository 'docker-nowhere'"),
        ({"repositories": ("generic-local",)}, "generic-local"),
        ({"images": Patterns((f"{near}*",))}, f"No image in docker-dev matches '{near}\\*'.*{image}"),
        ({"tags": Patterns(("1.40*",))}, r"No tag in .* matches '1\.40\*': there are 4, such as 1\.4\.0.*'1\.4\.\*'"),
        ({"versions": ">=9.0.0"}, "is a version in '>=9.0.0': there are 4, such as"),
        ({"created_from": days(1)}, r"was created from 2026-01-11.*: there are 4, such as"),
        ({"updated_before": days(1)}, "came here before 2026-01-11"),
        ({"properties": {"qa": "passed"}}, "has the property qa=passed"),
        ({"properties": {"qa": "passed"}, "created_from": days(1)}, "was created .* and has the property"),
    ]
    for changes, message in cases:
        with pytest.raises(InvalidPlan, match=message):
            await plan(client, image, **changes)


async def test_more_than_was_confirmed_is_refused_with_the_count(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    for number in range(3):
        sandbox.push_image(f"docker-dev/{image}:{number}")
    with pytest.raises(InvalidPlan, match=r"3 promotions are meant, and 2 .* say largest=3 .* narrower patterns"):
        await plan(client, image, largest=2)
    assert len((await plan(client, image, largest=3)).promotions) == 3


async def test_a_target_that_cannot_be_promoted_to_is_refused_by_name(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-dev/{image}:1")
    for repository in ("docker-nowhere", "docker-virtual", "docker-remote", "generic-local"):
        with pytest.raises(InvalidPlan, match=repository):
            await plan(client, image, target_repository=repository)


@pytest.mark.parametrize(
    "options",
    [
        {"target_tags": ()},
        {"target_tags": "{tag}"},
        {"target_tags": ("{tag.x}",)},
        {"target_tags": ("{version}",)},
        {"target_tags": ("{tag}" * 60,)},
        {"target_image": "{nothing}"},
        {"target_repository": "docker/qa"},
        {"largest": 0},
        {"on_conflict": "ignore"},
        {"images": Patterns(("Team/App",)), "tags": Patterns(("1",))},
    ],
)
async def test_options_that_make_no_sense_are_refused(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str, options: dict[str, Any]
) -> None:
    sandbox.push_image(f"docker-dev/{image}:latest")
    with pytest.raises(InvalidPromotion):
        await plan(client, image, **options)


async def test_everything_is_promoted_only_when_its_count_is_confirmed(
    client: ArtifactoryClient, sandbox: RunningSandbox, image: str
) -> None:
    sandbox.push_image(f"docker-prod/{image}:1")
    everything = TagCriteria(("docker-prod",))
    with pytest.raises(InvalidPlan, match=r"matches everything must be confirmed by a count: say largest=\d+"):
        await make_plan(client, everything, target_repository="docker-qa")
    assert (await make_plan(client, everything, target_repository="docker-qa", largest=100_000)).promotions
