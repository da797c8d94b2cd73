"""What a pipeline's file says, is what the pipeline is; and what it leaves out, the defaults say."""

from __future__ import annotations

import datetime
import json
import pickle

import pytest
from tests.unit.pipelines.pipeline_files import DEFAULTS, GOOD, STAGES, problems_of, read, replace_stages

from artifactory_provider.pipelines import InvalidPipeline, Notify, Starts, read_defaults
from artifactory_provider.promotion.planning.patterns import Patterns
from artifactory_provider.promotion.planning.templates import TargetTemplate
from artifactory_provider.verification.properties import PropertyCheck
from artifactory_provider.verification.soak import SoakCheck


def test_the_shortest_file_is_one_line() -> None:
    pipeline = read("image: payments/api", defaults=DEFAULTS)
    assert pipeline.images == Patterns(("payments/api",))
    assert [stage.repository for stage in pipeline.stages] == ["docker-dev", "docker-qa", "docker-prod"]
    assert (pipeline.name, pipeline.tag, pipeline.mode, pipeline.source) == (
        "payments",
        "newest",
        "chain",
        "payments.yaml",
    )
    assert pipeline.starts == Starts()


def test_each_field_of_a_pipeline_is_read() -> None:
    pipeline = read(
        "images: [payments/*, billing/api]\nexclude: [payments/old-*]\ntag: '>=1.4 <2'\ntitle: A title\n"
        "description: |\n  # Markdown\n\n  of lines\nowner: payments\nlabels: [a, b, a]\npool: promotions\n"
        "connection: other\nmode: fleet\nsupersede: false\nlook_every: 90s\n"
        "start: {nightly: '0  2 * * *', timezone: Europe/Berlin, after: [catalog], on_push: webhook, "
        "on_verdict: true}\n"
        "notify: {connection: people, on: [waits, late, waits], to: [team@test.example]}\n" + STAGES
    )
    assert pipeline.images == Patterns(("payments/*", "billing/api"), ("payments/old-*",))
    assert (pipeline.tag, pipeline.title, pipeline.description) == (">=1.4 <2", "A title", "# Markdown\n\nof lines")
    assert (pipeline.owner, pipeline.labels, pipeline.pool) == ("payments", ("a", "b"), "promotions")
    assert (pipeline.connection, pipeline.mode, pipeline.supersedes) == ("other", "fleet", False)
    assert pipeline.poke_interval == datetime.timedelta(seconds=90)
    assert pipeline.notify == Notify(connection="people", events=("waits", "late"), to=("team@test.example",))
    assert pipeline.starts == Starts(
        schedule="0 2 * * *", timezone="Europe/Berlin", after=("catalog",), on_push="webhook", on_verdict=True
    )


def test_all_is_told_where_nothing_is_chosen() -> None:
    notify = read(f"{GOOD}notify: {{connection: people}}").notify
    assert notify is not None
    assert notify.events == ("waits", "refused", "failed", "late", "superseded", "digest")


def test_each_field_of_a_stage_is_read() -> None:
    pipeline = read(
        replace_stages(
            "repository: docker-dev, checks: [{property: test.status}], timeout: 2d",
            "name: prod, repository: docker-prod, approvals: {count: 2, from: [alice, bob]}, on_conflict: backup, "
            "windows: {timezone: UTC, allow: ['Mon-Thu 09:00-16:00']}, pending_repository: docker-transit, "
            "tags: ['{tag}', {tag: stable, on_conflict: overwrite}]",
        )
    )
    dev, prod = pipeline.stages
    assert (dev.name, dev.checks, dev.timeout, dev.line) == (
        "docker-dev",
        (PropertyCheck(name="test.status"),),
        datetime.timedelta(days=2),
        3,
    )
    assert [(tag.template.text, tag.on_conflict) for tag in prod.tags] == [("{tag}", "backup"), ("stable", "overwrite")]
    assert prod.approvals is not None
    assert (prod.asks_approval, prod.approvals.users, prod.approvals.count) == (True, ("alice", "bob"), 2)
    assert prod.windows is not None
    assert (prod.windows.allowed_in_words, prod.pending_repository, prod.copy) == (
        "Mon-Thu 09:00-16:00",
        "docker-transit",
        True,
    )


def test_approvals_by_the_policy_name_nobody() -> None:
    pipeline = read(replace_stages("repository: docker-dev", "repository: docker-prod, approvals: policy, copy: false"))
    assert (pipeline.stages[1].asks_approval, pipeline.stages[1].approvals) == (True, None)
    assert not pipeline.stages[1].copy


@pytest.mark.parametrize(
    ("images", "mode"),
    [
        ("image: api", "chain"),
        (f"images: [{', '.join(f'api-{number}' for number in range(50))}]", "chain"),
        (f"images: [{', '.join(f'api-{number}' for number in range(51))}]", "fleet"),
        ("images: [payments/*]", "fleet"),
        ("images: [payments/*]\nmode: chain", "chain"),
        ("image: api\nmode: fleet", "fleet"),
    ],
)
def test_few_images_by_name_are_a_chain_and_others_a_fleet(images: str, mode: str) -> None:
    assert read(images, defaults=DEFAULTS).mode == mode


@pytest.mark.parametrize(
    "tag",
    [
        "newest",
        '">=1.4 <2"',
        '"*-alpine"',
        '"*-alpine >=1.4"',
        "1.4.2",
        "edge",
        '"nightly-{date:%Y%m%d}"',
        '"regex:v1[.].*"',
    ],
)
def test_a_tag_is_chosen_in_each_way(tag: str) -> None:
    assert read(f"{GOOD}tag: {tag}").tag == tag.strip('"')


def test_the_triggering_tag_is_taken_where_a_push_or_a_verdict_names_it() -> None:
    assert read(f"{GOOD}tag: triggering\nstart: {{on_push: watcher}}").tag == "triggering"
    assert read(f"{GOOD}tag: triggering\nstart: {{on_verdict: true}}").starts.on_verdict


@pytest.mark.parametrize("schedule", ["@daily", "@hourly", "30 1 * * 1-5", "0 2 29 2 *"])
def test_a_schedule_is_a_cron_expression_or_its_name(schedule: str) -> None:
    assert read(f"{GOOD}start: {{nightly: '{schedule}'}}").starts.schedule == schedule


def test_json_is_read_as_well() -> None:
    stages = [{"repository": "docker-dev"}, {"repository": "docker-prod"}]
    assert read(json.dumps({"image": "payments/api", "stages": stages}, indent="\t")).images.exact == ("payments/api",)


def test_a_field_of_the_pipeline_replaces_that_of_the_defaults_as_a_whole() -> None:
    defaults = (
        f"{DEFAULTS}owner: platform-team\nlabels: [all]\nstart: {{nightly: '0 2 * * *', timezone: Europe/Berlin}}\n"
    )
    pipeline = read("image: api\nlabels: [mine]\nstart: {nightly: '0 4 * * *'}", defaults=defaults)
    assert (pipeline.owner, pipeline.labels) == ("platform-team", ("mine",))
    assert pipeline.starts == Starts(schedule="0 4 * * *")


def test_sets_of_checks_are_named_alone_or_among_others_and_each_check_is_asked_once() -> None:
    soak, test = SoakCheck(at_least=86400.0), PropertyCheck(name="test.status")
    for checks, expected in [
        ("unit", (test, soak)),
        ("[unit, {property: test.status}, {property: other}]", (test, soak, PropertyCheck(name="other"))),
    ]:
        stages = replace_stages(f"repository: docker-dev, checks: {checks}", "repository: docker-prod")
        assert read(stages, defaults=DEFAULTS).stages[0].checks == expected


def test_single_fields_of_stages_are_changed_and_the_others_stay() -> None:
    pipeline = read(
        "image: api\nchange:\n  dev: {timeout: 1h}\n  prod: {tags: [stable], "
        "windows: {timezone: UTC, allow: ['Mon 09:00-16:00']}}",
        defaults=DEFAULTS,
    )
    dev, qa, prod = pipeline.stages
    assert (dev.timeout, dev.checks) == (datetime.timedelta(hours=1), (PropertyCheck(name="test.status"),))
    assert (qa.name, qa.timeout) == ("qa", datetime.timedelta(hours=4))
    assert (prod.name, prod.tags[0].template, prod.line) == ("prod", TargetTemplate("stable"), 4)
    assert pipeline.rules()[0].line == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("change: {pord: {copy: false}}", "Did you mean prod?"),
        ("change: {prod: {}}", "line 2, change.prod: Give an object"),
        ("change: {prod: stable}", "line 2, change.prod: Give an object"),
        ("change: {prod: {name: production}}", "A stage keeps its name"),
        ("change: {prod: {repository: docker-qa}}", "docker-qa stands here twice"),
        ("change: {prod: {approvals: none}}", "line 2, change.prod.approvals: 'none' is a text: give policy"),
        (f"change: {{prod: {{copy: false}}}}\n{STAGES}", "this file has its own"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(change: str, said: str) -> None:
    assert said in "\n".join(problems_of(f"image: api\n{change}", defaults=DEFAULTS))


def test_what_does_not_fit_the_defaults_is_told_with_where_they_say_it() -> None:
    [problem] = problems_of("image: api\ntag: triggering", defaults=f"{STAGES}start: {{nightly: '@daily'}}")
    assert problem == ("line 2, tag: Nothing names a tag: give start on_push or on_verdict, or mean another tag.")
    [problem] = problems_of("image: api\nstart: {on_push: watcher}", defaults=f"{STAGES}tag: 'nightly-{{date:%Y%m%d}}'")
    assert problem.startswith("line 1, tag: It is another tag every day")
    assert problem.endswith("(It stands in _defaults.yaml, line 5.)")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "It is empty"),
        ("image: api", 1, "Each pipeline says by itself"),
        ("owner: a\nimages: [api]", 2, "Each pipeline says by itself"),
        ("change: {prod: {copy: false}}", 1, "write the stages here as they are to be"),
        ("checks: [{property: a}]", 1, "a name, and a list of checks"),
        ("checks: {'': [{property: a}]}", 1, "Such a set has no name"),
        ("checks: {unit: other}", 1, "give a list of checks"),
        ("checks: {unit: [other]}", 1, "is no set of checks"),
        ("checks: {unit: [{propperty: a}]}", 1, "Did you mean property?"),
        (f"{STAGES}ower: me", 5, "Did you mean owner?"),
        ("stages: [{repository: a}, {repository: a}]", 1, "a stands here twice"),
    ],
)
def test_defaults_that_are_none_are_refused(text: str, line: int, said: str) -> None:
    with pytest.raises(InvalidPipeline, match=r"^_defaults\.yaml has ") as caught:
        read_defaults(text)
    assert any(problem.line == line and said in problem.message for problem in caught.value.problems), caught.value


def test_defaults_leave_what_starts_a_pipeline_to_it() -> None:
    defaults = f"{STAGES}tag: triggering"
    assert read("image: api\nstart: {on_push: webhook}", defaults=defaults).tag == "triggering"
    assert "Nothing names a tag" in problems_of("image: api", defaults=defaults)[0]


def test_an_error_goes_from_process_to_process() -> None:
    with pytest.raises(InvalidPipeline) as caught:
        read("image: api")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - its own
    assert (str(again), again.problems) == (str(caught.value), caught.value.problems)
