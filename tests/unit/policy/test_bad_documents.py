"""What a person may write by mistake, and what somebody may write to do harm: refused with a reason, never a crash."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.policy.documents import ask, problems_of, problems_with

from artifactory_provider.policy import InvalidPolicy, read_policy, read_stop

GOOD = "version: 1\nrules:\n  - {target: {repositories: [docker-prod]}, approvals: {count: 2}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("  \n\t\n", "empty"),
        ("# nothing but a comment\n", "empty"),
        ("null", "nothing: an object"),
        ("[]", "a list: an object"),
        ("just words", "a text: an object"),
        ("version: 1", "rules is missing"),
        ("version: 1\nrules:", "left empty"),
        ("version: 1\nrules: []", "empty list"),
        ("version: 1\nrules: {}", "This is an object: give a list"),
        ("rules: [{target: {repositories: [a]}, approvals: {}}]", "version is missing"),
        (GOOD.replace("version: 1", "version: 2"), "write version: 1"),
        (GOOD.replace("version: 1", "version: '1'"), "write version: 1"),
        (GOOD.replace("version: 1", "version: 1.0"), "write version: 1"),
        (GOOD.replace("version: 1", "version: true"), "write version: 1"),
        (f"{GOOD}version: 1", "stands here twice, first in line 1"),
        (f"{GOOD}---\n{GOOD}", "second document"),
        ("version: 1\nrules: [", "neither YAML nor JSON"),
        ("version: 1\nrules: [*]", "begins with * is quoted"),
        ('{"version": 1, "rules": [}', "neither YAML nor JSON"),
        ("a: &x [1]\nb: *x", "Anchors and aliases"),
        ("a: *x", "Anchors and aliases"),
        ("<<: {version: 1}", "no such field"),
        ("version: !!python/object/apply:os.system [id]", "The tag"),
        ("version: !secret 1", "The tag"),
        ("? [a, b]\n: 1", "where a key is needed"),
        ("[" * 30, "20 deep"),
        ("{a: " * 30, "20 deep"),
        ("- " * 5000, "20 deep"),
        ("[" * 200_000, "20 deep"),
        ("version: 1\0", "NUL"),
        (b"\xff\xfe", "no UTF-8"),
        ("version: \ud800", "no UTF-8"),
        ("x" * 262_145, "longer than 256 KiB"),
        ("é" * 131_073, "longer than 256 KiB"),
        (b"x" * 10_000_000, "longer than 256 KiB"),
        ("version: 1\nrules: [" + "{}," * 1001 + "]", "1,001 rules: at most 1,000"),
    ],
)
def test_a_document_that_is_none_is_refused_with_what_to_do(text: str | bytes, said: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        read_policy(text, name="my_policy")
    assert str(caught.value).startswith("my_policy has ")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 20_000


def test_a_bomb_of_aliases_is_refused_before_it_goes_off() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    [problem] = problems_of("\n".join(lines))
    assert problem.line == 1
    assert "Anchors and aliases" in problem.message


@pytest.mark.parametrize(
    ("rule", "field", "said"),
    [
        ("aprovals: {count: 2}", "aprovals", "Did you mean approvals?"),
        ("window: {}", "window", "Did you mean windows?"),
        ("name: 1.10, approvals: {}", "name", "1.10 is a number: quote it"),
        ("name: on, approvals: {}", "name", "on is a boolean: quote it"),
        ("name: 2026-12-24, approvals: {}", "name", "2026-12-24 is a date: quote it"),
        ("name: '', approvals: {}", "name", "empty text"),
        (f"name: {'n' * 201}, approvals: {{}}", "name", "at most 200"),
        ('name: "a\\u202eb", approvals: {}', "name", "cannot be printed"),
        ('name: "a\\nb", approvals: {}', "name", "cannot be printed"),
        ("windows: {allow: [Mon]}", "windows", "timezone is missing"),
        ("windows: {timezone: UTC}", "windows", "no window"),
        ("windows: {timezone: UTC, allow: []}", "windows.allow", "empty list"),
        ("windows: {timezone: UTC, allow: Mon}", "windows.allow", "give a list, such as ['Mon']"),
        ("windows: {timezone: Europe/Berln, allow: [Mon]}", "windows.timezone", "did you mean Europe/Berlin?"),
        ("windows: {timezone: ../../etc/passwd, allow: [Mon]}", "windows.timezone", "There is no time zone"),
        ("windows: {timezone: '+01:00', allow: [Mon]}", "windows.timezone", "There is no time zone"),
        ("windows: {timezone: UTC, deny: [Mon-Sun]}", "windows", "never open"),
        ("windows: {timezone: UTC, allow: [Mon 09:00-10:00], deny: [Mon-Fri 08:00-12:00]}", "windows", "never open"),
        ("windows: {timezone: UTC, allow: ['2026-12-24'], deny: ['2026-12-20/2026-12-31']}", "windows", "never open"),
        ("windows: {timezone: UTC, allow: [{cron: '0 9 * * 1', duration: 1h}], deny: [Mon]}", "windows", "never open"),
        ("approvals: {}, applies_to: []", "applies_to", "empty list"),
        ("approvals: {}, applies_to: [schedul]", "applies_to", "Did you mean schedule?"),
        ("approvals: {}, applies_to: person", "applies_to", "give a list, such as ['person']"),
        ("approvals: {count: 0}", "approvals", "from 1 to"),
        ("approvals: {count: 010}", "approvals.count", "give a whole number"),
        ("approvals: {count: 0x10}", "approvals.count", "give a whole number"),
        ("approvals: {count: '2'}", "approvals.count", "give a whole number"),
        ("approvals: {count: 2, from: [alice]}", "approvals", "name as many users"),
        ("approvals: {from: [yes]}", "approvals.from[0]", "yes is a boolean"),
        ("approvals: {from: [007]}", "approvals.from[0]", "007 is a number"),
        ("approvals: {not_the_trigger: no}", "approvals.not_the_trigger", "true or false"),
        ("approvals: {valid_for: 24}", "approvals.valid_for", "no unit"),
        ("approvals: {valid_for: 10000h}", "approvals", "valid_for"),
        ("approvals: null", "approvals", "left empty"),
        ("approvals: [2]", "approvals", "give an object"),
        ("approvals: {}, override: {from: [carol]}", "", "no windows to set aside"),
        ("windows: {timezone: UTC, deny: [Mon]}, override: {}", "override", "from is missing"),
        ("windows: {timezone: UTC, deny: [Mon]}, override: {from: [a], longest: 60d}", "override", "at most 31 days"),
        ("require: [{proprty: a.b}]", "require[0].proprty", "Did you mean property?"),
        ("require: [{property: 1.10}]", "require[0]", "quote it"),
        ("require: [{property: {name: a.b, passed: yes}}]", "require[0].property.passed", "yes is a boolean"),
        ("require: [{property: {name: a.b, pased: ok}}]", "require[0]", "other fields"),
        ("require: [{kind: property, max_age: 0x10}]", "require[0].max_age", "0x10 is a number"),
        ("require: [{soak: 24}]", "", ""),
        ("require: [{soak: 1x}]", "require[0].soak", "no span of time"),
        ("require: [{http: 5}]", "require[0].http", "Give an object"),
        ("require: [{kind: 'os:system'}]", "require[0]", "is no check"),
        ("require: [{kind: 'no.such.module:Check'}]", "require[0]", "There is no check"),
        ("require: [{kind: '.x:Check'}]", "require[0]", "no check"),
        ("require: [{all_of: [{property: a.b}, {nope: 1}]}]", "require[0].all_of[1].nope", "no check of that kind"),
        ("require: [property]", "require[0]", "a check is an object"),
        ("require: [{property: a.b, soak: 1h}]", "require[0]", "one field alone"),
        ("name: nothing", "", "asks for nothing"),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_its_field_and_the_way_out(rule: str, field: str, said: str) -> None:
    found = problems_with(rule)
    if not said:
        assert found == []
        return
    assert any(where in {field, field or "rules[0]"} and said in message for where, message in found), found


WINDOWS = [
    ("Mon 09:00-09:00", "", "holds no time"),
    ("Mon 09:00-Mon 09:00", "", "holds no time"),
    ("Mon 24:00-25:00", "", "is no time"),
    ("Mon 09:60-10:00", "", "is no time"),
    ("Montag", "", "is no day"),
    ("'09:00-17:00'", "", "is no window"),
    ("'2026-13-01'", "", "There is no '2026-13-01'"),
    ("2027-02-29", "", "There is no '2027-02-29'"),
    ("'2026-12-24T16:00'", "", "is a moment"),
    ("2026-12-24T16:00:00", "", "is a moment"),
    ("2026-12-24T16:00Z/2026-12-25", "", "is no date"),
    ("2026-12-24/2026-12-23", "", "ends before it begins"),
    ("9999-12-31", "", "not in the years"),
    ("5", "", "5 is a number"),
    ("[Mon]", "", "This is a list"),
    ("{duration: 1h}", "", "cron is missing"),
    ("{cron: '0 2 * * *'}", "", "duration is missing"),
    ("{cron: '0 2 * * *', duration: 0m}", ".duration", "nothing"),
    ("{cron: '0 2 * * *', duration: 90}", ".duration", "no unit"),
    ("{cron: '0 2 * * *', duration: -1h}", ".duration", "no span of time"),
    ("{cron: '0 2 * * *', duration: 999w}", ".cron", "longer than a year"),
    ("{cron: '0 2 * * *', duration: 1h, start: 2026-01-01}", ".start", "no such field"),
    ("{cron: '* * * * *', duration: 1m}", ".cron", "1440 times a day"),
    ("{cron: '0 * * * *', duration: 60d}", ".cron", "open at once"),
    ("{cron: '0 0 30 2 *', duration: 1h}", ".cron", "never occurs"),
    ("{cron: '99 * * * *', duration: 1h}", ".cron", "no cron expression"),
    ("{cron: '@daily', duration: 1h}", ".cron", "give five fields"),
    ("{cron: '0 0 * * * *', duration: 1h}", ".cron", "give five fields"),
    ("{cron: 'R R * * *', duration: 1h}", ".cron", "give five fields"),
    ("{cron: '0 0 * * FOO', duration: 1h}", ".cron", "no cron expression"),
    ("{rrule: FREQ=DAILY, duration: 1h}", "", "start is missing"),
    ("{rrule: FREQ=DAILY, start: today, duration: 1h}", ".rrule", "is no date"),
    *(
        (f"{{rrule: {rule}, start: 2026-01-01, duration: 1h}}", ".rrule", said)
        for rule, said in [
            ("FREQ=SECONDLY", "nothing more frequent"),
            ("FREQ=MINUTELY", "nothing more frequent"),
            ("BYDAY=MO", "needs FREQ"),
            ("FREQ=DAILY;FREQ=DAILY", "at most once"),
            ("FREQ=DAILY;BYSECOND=1", "cannot be read"),
            ("FREQ=DAILY;INTERVAL=0", "1 or more"),
            ("FREQ=DAILY;COUNT=0", "1 or more"),
            ("FREQ=DAILY;COUNT=2000", "more than 1,000"),
            ("FREQ=DAILY;INTERVAL=x", "no whole number"),
            ("FREQ=DAILY;COUNT=2;UNTIL=20261231", "leave one out"),
            ("FREQ=DAILY;UNTIL=2026", "is no date"),
            ("FREQ=DAILY;UNTIL=20251231", "never occurs"),
            ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "never occurs"),
            ("FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30", "never occurs"),
            ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "never occurs"),
            ("FREQ=WEEKLY;BYMONTH=13", "never occurs"),
            ("FREQ=MONTHLY;BYDAY=XX", "no recurrence rule"),
            ("FREQ=DAILY;BYHOUR=25", "no recurrence rule"),
            ("FREQ=HOURLY;BYMINUTE=61", "no recurrence rule"),
            (r'"DTSTART:20260101\nRRULE:FREQ=DAILY"', "cannot be printed"),
        ]
    ),
]


@pytest.mark.parametrize(("window", "field", "said"), WINDOWS)
def test_a_window_that_is_none_is_told_with_its_field_and_the_way_out(window: str, field: str, said: str) -> None:
    for kind in ("allow", "deny"):
        found = problems_with(f"windows: {{timezone: UTC, {kind}: [Mon, {window}]}}")
        assert [where for where, _ in found] == [f"windows.{kind}[1]{field}"]
        assert said in found[0][1]


@pytest.mark.parametrize(
    ("target", "field", "said"),
    [
        ("{images: [web]}", "rules[0].target", "repositories is missing"),
        ("{repositories: docker-prod}", "rules[0].target.repositories", "give a list, such as ['docker-prod']"),
        ("{repositories: [docker prod]}", "rules[0].target.repositories[0]", "is no pattern"),
        ("{repositories: [on]}", "rules[0].target.repositories[0]", "on is a boolean"),
        ("{repositories: [docker-prod/web]}", "rules[0].target.repositories[0]", "is not a repository key"),
        ("{repositories: ['docker-*/web']}", "rules[0].target.repositories[0]", "matches nothing"),
        ("{repositories: ['regex:(']}", "rules[0].target.repositories[0]", "is no pattern"),
        ("{repositories: [a], images: [Payments]}", "rules[0].target.images[0]", "is not an image name"),
        ("{repositories: [a], images: ['Payments/*']}", "rules[0].target.images[0]", "matches nothing"),
        ("{repositories: [a], tags: [1.10]}", "rules[0].target.tags[0]", "1.10 is a number"),
        ("{repositories: [a], tags: ['v1/*']}", "rules[0].target.tags[0]", "matches nothing"),
        ("{repositories: [a], tag: [x]}", "rules[0].target.tag", "Did you mean tags?"),
        ("docker-prod", "rules[0].target", "give an object"),
    ],
)
def test_a_target_that_nothing_can_match_is_refused(target: str, field: str, said: str) -> None:
    found = problems_of(f"version: 1\nrules: [{{target: {target}, approvals: {{}}}}]")
    assert any(problem.field == field and said in problem.message for problem in found), found


def test_all_that_is_wrong_is_told_at_once_by_line() -> None:
    text = """version: 3
rulez: []
rules:
  - name: 12
    windows: {timezone: Mars, allow: [Mon 9-10]}
  - target: {repositories: [docker-prod]}
    approvals: {count: two}
    require: [{nope: 1}]
"""
    assert [(problem.line, problem.field) for problem in problems_of(text)] == [
        (1, "version"),
        (2, "rulez"),
        (4, "rules[0]"),
        (4, "rules[0].name"),
        (5, "rules[0].windows.timezone"),
        (5, "rules[0].windows.allow[0]"),
        (7, "rules[1].approvals.count"),
        (8, "rules[1].require[0].nope"),
    ]
    with pytest.raises(InvalidPolicy) as caught:
        read_policy(text, name="release rules")
    assert str(caught.value).splitlines()[0] == "release rules has 8 errors, and cannot be used:"
    assert "  line 7, rules[1].approvals.count: 'two' is a text: give a whole number, such as 2." in str(caught.value)


def test_a_thousand_mistakes_make_a_message_that_a_log_can_hold() -> None:
    with pytest.raises(InvalidPolicy) as caught:
        read_policy("version: 1\nrules: [" + "{name: 1}," * 900 + "]")
    assert len(str(caught.value)) < 12_000
    assert "and 980 more" in str(caught.value)


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_read_as_well_as_yaml(indent: int | str | None) -> None:
    document = {
        "version": 1,
        "rules": [
            {
                "name": "Fr\u00fchling \U0001f600 \\ud83d",
                "target": {"repositories": ["docker-prod"]},
                "windows": {"timezone": "UTC", "deny": ["2026-12-24"]},
            }
        ],
    }
    for ascii_only in (True, False):
        policy = read_policy(json.dumps(document, indent=indent, ensure_ascii=ascii_only))
        assert [rule.name for rule in policy.rules] == ["Fr\u00fchling \U0001f600 \\ud83d"]
        assert ask(policy, "2026-12-24T12:00+00:00") is not None


@given(st.text() | st.binary())
def test_whatever_is_given_is_a_policy_or_an_explanation(text: str | bytes) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        read_policy(text)
    assert caught.value.problems
    assert all(problem.message.isprintable() and problem.field.isprintable() for problem in caught.value.problems)


FIELDS = [
    *(
        "name",
        "target",
        "windows",
        "applies_to",
        "require",
        "approvals",
        "override",
        "timezone",
        "allow",
        "deny",
        "cron",
    ),
    *("rrule", "start", "duration", "from", "count", "repositories", "kind", "property", "version"),
    *("rules", "stops"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_whatever_stands_in_the_fields_is_explained_and_never_a_crash(rule: object) -> None:
    text = json.dumps({"version": 1, "rules": [rule]})
    for read in (read_policy, read_stop):
        with pytest.raises(InvalidPolicy) as caught:
            read(text)
        assert all(problem.line == 1 for problem in caught.value.problems)
