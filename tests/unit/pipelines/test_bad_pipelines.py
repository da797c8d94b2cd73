"""What a person may write by mistake, and what somebody may write to do harm: refused with its line and a way out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pipelines.pipeline_files import GOOD, STAGES, problems_of, read, replace_stages

from artifactory_provider.pipelines import InvalidPipeline, read_defaults, read_pipeline

DEV, PROD = "repository: docker-dev", "repository: docker-prod"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "It is empty"),
        ("# nothing but a comment\n", 1, "It is empty"),
        ("null", 1, "an object is needed, with image or images, and stages"),
        ("[]", 1, "an object is needed"),
        ("payments/api", 1, "an object is needed"),
        ("image: api\0", 1, "NUL"),
        (b"image: caf\xe9", 1, "no UTF-8"),
        ("image: \ud800", 1, "no UTF-8"),
        (b"\xff\xfei\0", 1, "no UTF-8"),
        ("#" * 262_145, 1, "longer than 256 KiB"),
        (f"{GOOD}title: [", 7, "neither YAML nor JSON"),
        ("image:\tapi\n\tstages: x", 2, "neither YAML nor JSON: found a tab"),
        ("image: api\ntag: >=1.4", 2, "A text that begins with > or | is quoted"),
        ("image: api\ntag: *-alpine", 2, "quote"),
        ("image: api\ntag: @daily", 2, "is quoted"),
        ("image: api\ntitle: a: b", 2, "A text that holds a colon"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", 1, "Anchors and aliases"),
        ("image: !!python/object/apply:os.system [id]", 1, "The tag"),
        (f"{GOOD}---\n{GOOD}", 6, "second document"),
        ("[" * 200_000, 1, "20 deep"),
        (f"{GOOD}image: other", 6, "stands here twice, first in line 1"),
        (f"{GOOD}titel: Payments", 6, "Did you mean title?"),
        (f"{GOOD}checks: [{{property: a}}]", 6, "Checks stand in a stage"),
        (f"{GOOD}name: payments", 6, "called as its file is"),
        (f"{GOOD}title:", 6, "left empty"),
        (f"{GOOD}title: 1.10", 6, "quote it"),
        (f"{GOOD}title: '{'x' * 201}'", 6, "at most 200"),
        (f'{GOOD}title: "a\\u202eb"', 6, "cannot be printed"),
        (f"{GOOD}description: '{'x' * 10_001}'", 6, "at most 10,000"),
        (f'{GOOD}description: "a\\n\\u0007"', 6, "line 2 holds a character"),
        (f"{GOOD}labels: payments", 6, "give a list, such as ['payments']"),
        (f"{GOOD}labels: [{'a, ' * 51}]", 6, "51 labels: at most 50"),
        (f"{GOOD}connection: 'a b'", 6, "no id of a connection"),
        (f"{GOOD}look_every: 5", 6, "has no unit"),
        (f"{GOOD}look_every: 3d", 6, "too long: at most 1d"),
        (f"{GOOD}supersede: 'yes'", 6, "give true or false"),
        (f"{GOOD}mode: chian", 6, "Did you mean chain?"),
        (f"{GOOD}notify: people", 6, "give an object with the fields connection, on, to"),
        (f"{GOOD}notify: {{on: [failed]}}", 6, "The field connection is missing. Name the Airflow connection"),
        (f"{GOOD}notify: {{connection: a b}}", 6, "no id of a connection"),
        (f"{GOOD}notify:\n  connection: people\n  on: [waits, fails]", 8, "Did you mean failed?"),
        (f"{GOOD}notify: {{connection: people, on: []}}", 6, "empty list"),
        (f"{GOOD}notify: {{connection: people, on: failed}}", 6, "give a list, such as ['failed']"),
        (f"{GOOD}notify: {{connection: people, when: [failed]}}", 6, "There is no such field"),
        (f"{GOOD}notify: {{connection: people, to: [Team <a@b.example>]}}", 6, "is no address"),
        (f"{GOOD}notify: {{connection: people, to: [{'a@b.example, ' * 51}]}}", 6, "51 addresses: at most 50"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str | bytes, line: int, said: str) -> None:
    refused(text, line, said)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ("title: none", "The field images is missing. Name the image"),
        ("image: payments/*", "is a pattern, and image is one name"),
        ("image: Payments/API", "payments"),
        ("image: payments/api:1.4", "payments/api:1.4"),
        ("image: 7", "quote it"),
        ("image: [api]", "give a text"),
        ("images: api", "give a list, such as ['api']"),
        ("images: []", "empty list"),
        ("images: ['Payments/*']", "Payments/*"),
        ("images: ['payments//*']", "payments//*"),
        ("images: ['regex:(']", "is no pattern"),
        ("images: ['a b*']", "is no pattern"),
        ("images: [a]\nimage: b", "both image and images"),
        ("image: a\nexclude: [a]", "All images are excluded"),
        ("images: [a/*]\nexclude: [a/*]", "All images are excluded"),
        ("images: [a, b]\nexclude: [c]", "None of the images is excluded"),
    ],
)
def test_images_that_are_none_are_refused(images: str, said: str) -> None:
    assert said in "\n".join(problems_of(f"{STAGES}{images}"))


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("1.10", "1.10 is a number: quote it"),
        ("17", "quote it"),
        ("2026-02-01", "quote it"),
        ("''", "empty text"),
        ("Newest", "is written newest"),
        ("'>=1.4 <<2'", "<<2"),
        ("'>=2 <1'", "2"),
        ("'1.4.2 <2'", "is a tag and more"),
        ("'*-alpine <<2'", "<<2"),
        ("'[a'", "is no pattern"),
        ("'a/b'", "a/b"),
        ("'-x'", "-x"),
        ("'nightly-{date}'", "there is no field"),
        ("'nightly-{date:%c}'", "there is no field"),
        ("'{tag}-x'", "{date:%Y%m%d} alone may stand here"),
        ("'{version}'", "{date:%Y%m%d} alone may stand here"),
        ("{date}", 'quote it, as in "{date}"'),
        ("'a{'", "has no counterpart"),
        ("'regex:[0-9]{8}'", "braces"),
        (f"'{'x' * 200}'", "xxx"),
        (f"'{'x' * 128}*x'", "No tag can be made of"),
    ],
)
def test_a_choice_of_a_tag_that_is_none_is_refused(tag: str, said: str) -> None:
    refused(f"image: api\ntag: {tag}\n{STAGES}", 2, said)


@pytest.mark.parametrize(
    ("stages", "line", "said"),
    [
        ([DEV], 3, "There is one stage: give at least two"),
        ([DEV] * 21, 3, "21 stages: at most 20"),
        ([DEV, DEV], 4, "docker-dev stands here twice, first in line 3: a repository is one stage"),
        ([DEV, PROD, f"name: again, {DEV}"], 5, "images would go in a circle"),
        ([f"name: a, {DEV}", f"name: a, {PROD}"], 4, "a stands here twice, first in line 3: rename one"),
        ([DEV, "name: prod"], 4, "The field repository is missing"),
        ([DEV, "repository: docker/prod"], 4, "docker/prod"),
        ([DEV, "repository: docker.prod"], 4, "give the stage a name"),
        ([DEV, f"{PROD}, name: 'a b'"], 4, "is no name of a stage"),
        ([DEV, f"{PROD}, name: {'a' * 65}"], 4, "at most 64"),
        ([DEV, f"{PROD}, name: 7"], 4, "quote it"),
        ([DEV, f"{PROD}, repositry: a"], 4, "Did you mean repository?"),
        ([DEV, f"{PROD}, checks: [{{property: a}}]"], 4, "Nothing is promoted from the last stage"),
        ([DEV, f"{PROD}, timeout: 1h"], 4, "Nothing is promoted from the last stage"),
        ([f"{DEV}, approvals: policy", PROD], 3, "nothing is promoted into it"),
        ([f"{DEV}, tags: ['{{tag}}']", PROD], 3, "nothing is promoted into it"),
        ([f"{DEV}, copy: false", PROD], 3, "nothing is promoted into it"),
        ([f"{DEV}, checks: unit", PROD], 3, "is no set of checks: there are none in _defaults.yaml"),
        ([f"{DEV}, checks: [{{propperty: a}}]", PROD], 3, "Did you mean property?"),
        ([f"{DEV}, checks: {{property: a}}", PROD], 3, "give a list"),
        ([f"{DEV}, checks: [{{soak: soon}}]", PROD], 3, "soon"),
        ([f"{DEV}, timeout: 90", PROD], 3, "has no unit"),
        ([f"{DEV}, timeout: 53w", PROD], 3, "too long: at most 366d"),
        ([DEV, f"{PROD}, approvals: anybody"], 4, "give policy, or an object"),
        ([DEV, f"{PROD}, approvals: {{count: 3, from: [alice, bob]}}"], 4, "count is 3, and 2 may approve"),
        ([DEV, f"{PROD}, approvals: {{cuont: 3}}"], 4, "Did you mean count?"),
        ([DEV, f"{PROD}, windows: {{timezone: Europe/Berln, allow: ['Mon 09:00-16:00']}}"], 4, "Europe/Berln"),
        ([DEV, f"{PROD}, windows: {{timezone: UTC}}"], 4, "There is no window"),
        ([DEV, f"{PROD}, windows: {{timezone: UTC, allow: ['2020-01-01/2020-02-01']}}"], 4, "windows are over"),
        (
            [DEV, f"{PROD}, windows: {{timezone: UTC, allow: [Mon 09:00-16:00], deny: [Mon 00:00-24:00]}}"],
            4,
            "never open",
        ),
        ([DEV, f"{PROD}, tags: []"], 4, "empty list"),
        ([DEV, f"{PROD}, tags: [{{tag}}]"], 4, 'quote it, as in "{tag}"'),
        ([DEV, f"{PROD}, tags: [{{on_conflict: fail}}]"], 4, "The field tag is missing"),
        ([DEV, f"{PROD}, tags: ['{{tga}}']"], 4, "there is no field"),
        ([DEV, f"{PROD}, tags: [stable, stable]"], 4, "'stable' stands here twice"),
        ([DEV, f"{PROD}, tags: [1.10]"], 4, "quote it"),
        ([DEV, f"{PROD}, tags: [{', '.join(f't{number}' for number in range(21))}]"], 4, "at most 20"),
        ([DEV, f"{PROD}, on_conflict: overwritte"], 4, "Did you mean overwrite?"),
        ([DEV, f"{PROD}, copy: false, tags: ['{{tag}}', stable]"], 4, "moved to one tag only"),
        ([DEV, f"{PROD}, pending_repository: docker-dev"], 4, "is a stage's repository"),
    ],
)
def test_stages_that_are_none_are_refused(stages: list[str], line: int, said: str) -> None:
    refused(replace_stages(*stages), line, said)


@pytest.mark.parametrize(
    ("tag", "templates", "said"),
    [
        ("edge", ["{version.major}"], "can never be made of one such as 'edge'"),
        ("'*-alpine'", ["{version.major}-alpine"], "can never be made of one such as '1.4.2-alpine'"),
        ("'*-alpine'", ["x" * 128 + "{tag}"], "can never be made"),
        ("newest", ["stable", "{version}"], "can never be made of one such as 'stable'"),
        ("'nightly-{date:%Y%m%d}'", ["{version.minor}"], "can never be made"),
        ("newest", ["{version.major}", "{version.minor}"], "can never be made of one such as '1'"),
    ],
)
def test_a_template_that_no_tag_fits_is_refused(tag: str, templates: list[str], said: str) -> None:
    stages = [DEV, *(f"name: s{n}, repository: r{n}, tags: ['{text}']" for n, text in enumerate(templates))]
    refused(replace_stages(*stages) + f"\ntag: {tag}", 3 + len(templates), said)


@pytest.mark.parametrize(
    ("tag", "template"),
    [
        ("newest", "{version.major}.{version.minor}"),
        ("'v*'", "{version}"),
        ("'release-[0-9]*'", "{tag}"),
        ("'>=1.4'", "{date:%Y%m%d}"),
        ("triggering\nstart: {on_push: webhook}", "{version.patch}"),
        ("'regex:v?1[.].*'", "{version.minor}"),
    ],
)
def test_a_template_that_some_tags_fit_is_taken(tag: str, template: str) -> None:
    stages = replace_stages(DEV, f"{PROD}, tags: ['{template}']")
    assert read(f"{stages}\ntag: {tag}").stages[1].tags[0].template.text == template


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ("start: nightly", "give an object"),
        ("start: {nightly: '02:00'}", "is no cron expression: give five fields"),
        ("start: {nightly: '0 2 * *'}", "is no cron expression"),
        ("start: {nightly: '0 25 * * *'}", "is no cron expression"),
        ("start: {nightly: '0 2 31 2 *'}", "never occurs"),
        ("start: {nightly: '@dayly'}", "@daily"),
        ("start: {nightly: '@continuous'}", "There is no '@continuous'"),
        ("start: {nightly: '0 2 * * *', timezone: Europe/Berln}", "Europe/Berln"),
        ("start: {timezone: Europe/Berlin}", "add nightly"),
        ("start: {after: catalog}", "give a list"),
        ("start: {after: [self]}", "is no name of an asset"),
        (f"start: {{after: [{', '.join(f'a{n}' for n in range(101))}]}}", "101 assets"),
        ("start: {on_push: webhok}", "Did you mean webhook?"),
        ("start: {on_push: true}", "give webhook or watcher"),
        ("start: {on_verdict: 1}", "give true or false"),
        ("start: {nigthly: '0 2 * * *'}", "Did you mean nightly?"),
        ("tag: triggering", "Nothing names a tag"),
        ("tag: triggering\nstart: {on_push: webhook, nightly: '0 2 * * *'}", "A start by nightly names no tag"),
        ("tag: triggering\nstart: {on_verdict: true, after: [catalog]}", "A start by after names no tag"),
        ("tag: 'n-{date:%Y%m%d}'\nstart: {on_push: webhook}", "another tag every day"),
    ],
)
def test_starts_that_are_none_are_refused(start: str, said: str) -> None:
    assert said in "\n".join(problems_of(GOOD + start))


def test_a_start_by_a_verdict_needs_a_check_that_reads_a_property() -> None:
    [problem] = problems_of(replace_stages(f"{DEV}, checks: [{{soak: 1h}}]", PROD) + "\nstart: {on_verdict: true}")
    assert problem.startswith("line 5, start: on_verdict waits for a property, and no check reads one")
    nested = f"{DEV}, checks: [{{any_of: [{{soak: 1h}}, {{property: a}}]}}]"
    assert read(replace_stages(nested, PROD) + "\nstart: {on_verdict: true}").starts.on_verdict


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines() -> None:
    found = problems_of("image: A\ntag: 1.1\nstages:\n  - {repository: a/b}\n  - {name: prod}\nmode: x\nfoo: 1\n")
    assert [one.partition(":")[0] for one in found] == [
        "line 1, image",
        "line 2, tag",
        "line 4, stages[0].repository",
        "line 5, stages[1]",
        "line 6, mode",
        "line 7, foo",
    ]


@pytest.mark.parametrize("name", ["", "a b", "ü", "a/b", "x" * 251, "a\n"])
def test_a_name_that_is_no_id_of_a_dag_is_refused(name: str) -> None:
    with pytest.raises(InvalidPipeline, match="is no id of a DAG"):
        read_pipeline(GOOD, name=name)


def refused(text: str | bytes, line: int, said: str) -> None:
    found = problems_of(text)
    assert any(one.startswith(f"line {line}") and said in one for one in found), "\n".join(found)


def _mutate(text: str, at: int, length: int, by: str) -> str:
    at %= len(text)
    return text[:at] + by + text[at + length :]


LONG = (
    "images: [payments/*, a]\nexclude: [a-*]\ntag: '*-alpine >=1.4'\nstart: {nightly: '0 2 * * *', "
    "timezone: Europe/Berlin}\n"
    "stages:\n  - {name: dev, repository: d, checks: [{property: a}, {soak: 2h}], timeout: 4h}\n"
    "  - {repository: p, approvals: {count: 2, from: [a, b]}, windows: {timezone: UTC, allow: ['Mon 09:00-10:00']},\n"
    "     tags: ['{tag}', {tag: '{version.major}', on_conflict: backup}]}\n"
)


@given(
    text=st.builds(
        _mutate,
        st.just(LONG),
        st.integers(0, len(LONG)),
        st.integers(0, 12),
        st.text(max_size=8)
        | st.sampled_from(["[", "{", "}", "null", "*", "\n", ": ", "- ", "1.10", "'", "{tag}", "{a: b}"]),
    )
)
def test_a_file_with_any_slip_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "image",
    "images",
    "exclude",
    "tag",
    "stages",
    "change",
    "start",
    "mode",
    "checks",
    "look_every",
    "description",
    "notify",
]
PARTS = ["name", "repository", "checks", "tags", "windows", "approvals", "timeout", "tag", "kind", "nightly", "on"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON | st.lists(st.dictionaries(st.sampled_from(PARTS), JSON))))
def test_a_file_of_anything_is_read_or_refused(document: dict[str, object]) -> None:
    read_or_refuse(json.dumps(document))


def read_or_refuse(text: str) -> None:
    """Fail when anything else is raised, or nothing is said of what is wrong."""
    for reader in (read, read_defaults):
        refusals = []
        try:
            reader(text)
        except InvalidPipeline as error:
            refusals.append(error)
        assert all(error.problems for error in refusals)
