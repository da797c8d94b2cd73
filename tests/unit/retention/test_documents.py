"""What may go, as a team writes it down: read as it is meant, or refused with all that is wrong."""

from __future__ import annotations

import datetime
import re

import pytest

from artifactory_provider.retention import InvalidRetention, read_retention

HEAD = "version: 1\nstages: [docker-dev, docker-qa, docker-prod]\ntransit: [docker-transit]\nrules:\n"
ATTIC = "version: 1\nstages: [a, b]\nrules: [{repositories: [b], backups: 1}]\n"
DAY = datetime.timedelta(days=1)


def test_a_rule_is_read_as_it_is_written() -> None:
    read = read_retention(
        HEAD
        + "  - repositories: [docker-dev]\n"
        + '    images: ["payments/*"]\n'
        + "    exclude_images: [payments/legacy]\n"
        + '    tags: {reached: docker-prod, older_than: 90d, keep_newest: 5, keep: ["release-*"], keep_for: 2d}\n'
        + "  - {repositories: [docker-prod], backups: 3, leftovers: 1d}\n"
    )
    rule = read.for_tags("docker-dev", "payments/api")
    assert rule is not None
    assert (rule.reached, rule.older_than, rule.keep_newest, rule.keep_for) == ("docker-prod", 90 * DAY, 5, 2 * DAY)
    assert rule.keeps("release-1")
    assert not rule.keeps("1.0")
    assert read.for_tags("docker-dev", "payments/legacy") is None
    assert (read.for_backups("docker-prod", "any"), read.for_leftovers("docker-prod", "any")) == (3, DAY)
    assert read.for_backups("docker-dev", "payments/api") is None
    assert read.repositories == ("docker-dev", "docker-qa", "docker-prod", "docker-transit")


def test_of_two_rules_about_one_kind_of_tag_the_first_counts() -> None:
    read = read_retention(
        HEAD
        + "  - {repositories: [docker-prod], images: [payments/api], backups: 9}\n"
        + "  - {repositories: [docker-prod], backups: 1, leftovers: 2d}\n"
    )
    assert (read.for_backups("docker-prod", "payments/api"), read.for_backups("docker-prod", "other")) == (9, 1)
    assert read.for_leftovers("docker-prod", "payments/api") == 2 * DAY


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{repositories: [docker-dev]}", "Nothing goes by this rule"),
        ("{repositories: [docker-old], backups: 1}", "docker-old is none of the stages"),
        ("{repositories: [docker-dev], tags: {keep_newest: 1}}", "Nothing says which tags go"),
        ("{repositories: [docker-dev], tags: {older_than: 90d}}", "The field keep_newest is missing"),
        ("{repositories: [docker-dev], tags: {older_than: 90, keep_newest: 1}}", "90 has no unit"),
        ("{repositories: [docker-prod], tags: {older_than: 90d, keep_newest: 1}}", "docker-prod is the last stage"),
        ("{repositories: [docker-transit], tags: {older_than: 90d, keep_newest: 1}}", "is a transit repository"),
        ("{repositories: [docker-qa], tags: {reached: docker-dev, keep_newest: 1}}", "no later stage than docker-qa"),
        ("{repositories: [docker-qa], tags: {reached: docker-qa, keep_newest: 1}}", "no later stage than docker-qa"),
        ("{repositories: [docker-qa], tags: {reached: elsewhere, keep_newest: 1}}", "which is none of the stages"),
        ("{repositories: [docker-qa], leftovers: 59m}", "give 1h or more"),
        ("{repositories: [docker-qa], backups: -1}", "give a whole number"),
        ("{repositories: [docker-qa], backups: 1.5}", "give a whole number"),
        ("{repositories: [docker-qa], backup: 1}", "Did you mean backups?"),
        ('{repositories: [docker-qa], images: ["payments/{api}"], backups: 1}', "is no pattern"),
        ('{repositories: ["docker-*"], backups: 1}', "docker-"),
        ("{images: [a], backups: 1}", "The field repositories is missing"),
        ("{repositories: [docker-qa, docker-qa], backups: 1}", "stands here twice"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_its_line(rule: str, said: str) -> None:
    with pytest.raises(InvalidRetention, match=re.escape(said)) as refused:
        read_retention(f"{HEAD}  - {rule}\n", name="retention.yaml")
    assert {problem.line for problem in refused.value.problems} == {5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 2\nstages: [a, b]\nrules: [{repositories: [a], backups: 1}]", "this reads version 1"),
        ("version: 1\nrules: [{repositories: [a], backups: 1}]", "The field stages is missing"),
        ("version: 1\nstages: [a]\nrules: [{repositories: [a], backups: 1}]", "There is one stage"),
        ("version: 1\nstages: [a, b]\nrules: []", "It is an empty list"),
        ("version: 1\nstages: [a, b]", "The field rules is missing"),
        ("version: 1\nstages: [a, b]\ntransit: [b]\nrules: [{repositories: [a], backups: 1}]", "can be one of them"),
        (f"{ATTIC}attic: {{repository: a}}", "a is a stage or a transit repository"),
        (f"{ATTIC}attic: {{keep_for: 1d}}", "The field repository is missing"),
        (f"{ATTIC.replace('[a', '[A')}attic: {{repository: c}}", "A can be no part of an image's name"),
        ("", "It is empty"),
        ("[1, 2]", "an object is needed"),
        ("version: 1\nstages: &a [a, b]\nrules: *a", "Anchors and aliases"),
    ],
)
def test_a_document_that_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(InvalidRetention, match=re.escape(said)):
        read_retention(text)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidRetention) as refused:
        read_retention(f"{HEAD}  - {{repositories: [docker-old], backups: x}}\n  - {{repositories: [docker-qa]}}\n")
    assert len(refused.value.problems) == 3
