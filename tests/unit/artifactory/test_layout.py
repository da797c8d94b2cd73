"""How images lie in repositories, and how queries that are too long are divided."""

from __future__ import annotations

import json
from typing import Any

import pytest

from artifactory_provider.artifactory import aql
from artifactory_provider.artifactory.layout import (
    LIST_FILE,
    MANIFEST_FILE,
    any_manifest,
    any_of,
    attachment_prefix,
    blob_file,
    folder_of,
    folder_of_digest,
    is_fallback_tag,
    is_tag_folder,
    manifests_in,
    shown_file,
    split_folder,
    subject_of,
    tag_path,
)
from artifactory_provider.artifactory.references import ImageReference

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
SUFFIXES = [
    ".sig",
    ".att",
    ".sbom",
    ".src",
    ".dockerfile",
    ".git",
    ".imgpkg",
    ".image-locations.imgpkg",
    ".V2_x-1",
    "",
]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_tag_that_begins_with_a_digest_belongs_to_it_whatever_its_suffix(suffix: str) -> None:
    tag = f"sha256-{HEX}{suffix}"
    assert subject_of(tag) == DIGEST
    assert is_fallback_tag(tag) == (suffix == "")
    assert tag.startswith(attachment_prefix(DIGEST))


@pytest.mark.parametrize(
    "tag",
    [
        "1.4.2",
        "latest",
        "sha256-x.sig",
        f"sha256-{HEX[:-1]}",
        f"sha256-{HEX}0",
        f"sha256-{HEX}.",
        f"sha256-{HEX}-x",
        f"sha256-{HEX.upper()}.sig",
        f"sha512-{HEX}.sig",
        f"x-sha256-{HEX}",
    ],
)
def test_a_tag_of_another_form_belongs_to_no_digest(tag: str) -> None:
    assert subject_of(tag) is None
    assert not is_fallback_tag(tag)


def test_a_tag_is_a_folder_and_so_is_a_digest_that_no_tag_leads_to() -> None:
    tag = ImageReference("docker-dev", "payments/api", "1.4.2")
    assert folder_of(tag) == ("docker-dev", "payments/api/1.4.2")
    assert tag_path(tag) == "docker-dev/payments/api/1.4.2"
    assert split_folder("payments/api/1.4.2") == ("payments/api", "1.4.2")
    assert folder_of_digest(tag, DIGEST) == ("docker-dev", f"payments/api/{DIGEST}")
    assert blob_file(DIGEST) == f"sha256__{HEX}"


@pytest.mark.parametrize(
    ("name", "is_tag"),
    [("1.4.2", True), (f"sha256-{HEX}.sig", True), (DIGEST, False), (f"sha256__{HEX}", False), ("_uploads", False)],
)
def test_folders_of_children_and_uploads_are_no_tags(name: str, is_tag: bool) -> None:
    assert is_tag_folder(name) is is_tag


def test_where_both_manifests_lie_in_a_folder_its_tag_shows_the_index() -> None:
    assert shown_file([MANIFEST_FILE, "sha256__x", LIST_FILE]) == LIST_FILE
    assert shown_file([MANIFEST_FILE]) == MANIFEST_FILE
    assert shown_file(["sha256__x"]) is None


def leaves(criteria: dict[str, Any], within: frozenset[str] = frozenset()) -> set[frozenset[str]]:
    """Return the alternatives that criteria with `$and` and `$or` come to: each a set of plain conditions."""
    plain = {json.dumps({key: value}) for key, value in criteria.items() if not key.startswith("$")}
    found = {within | plain}
    for part in criteria.get("$and", []):
        found = {one | other for one in found for other in leaves(part)}
    if "$or" in criteria:
        found = {one | other for one in found for choice in criteria["$or"] for other in leaves(choice)}
    return found


def divide(criteria: dict[str, Any], *, longest: int) -> list[dict[str, Any]]:
    """Divide criteria as long as they are too long, and can be divided."""
    left, ended = [criteria], []
    while left:
        part = left.pop()
        some = aql.halves(part) if len(json.dumps(part)) > longest else []
        left += some
        if not some:
            ended.append(part)
    return ended


PATHS = [f"payments/api/{number}" for number in range(64)]
FOLDERS = any_of([{"path": path} for path in PATHS])


@pytest.mark.parametrize(
    "criteria",
    [
        {"$or": [{"$or": [{"path": path} for path in PATHS]}]},
        {"$or": [{"$or": [{"$or": [{"path": path} for path in PATHS]}]}]},
        {"repo": "docker-dev", "$or": [{"$or": [{"path": path} for path in PATHS]}]},
        {"$and": [{"$or": [{"$and": [{"$or": [{"path": path} for path in PATHS]}, any_manifest()]}]}]},
        {"$and": [{"$and": [FOLDERS, {"repo": "docker-dev"}]}, any_manifest()]},
        {"$or": [{"repo": "docker-dev", **FOLDERS}, {"repo": "docker-qa", "path": "a/1"}]},
        {"$or": [manifests_in("docker-dev", PATHS), manifests_in("docker-qa", PATHS[:1])]},
        manifests_in("docker-dev", PATHS),
    ],
)
def test_a_query_that_is_too_long_can_be_divided_wherever_its_alternatives_stand(criteria: dict[str, Any]) -> None:
    parts = divide(criteria, longest=400)
    assert max(len(json.dumps(part)) for part in parts) <= 400
    found = [leaf for part in parts for leaf in leaves(part)]
    assert set(found) == leaves(criteria), "all that was asked for, and nothing else"
    assert len(found) == len(set(found)), "each once"


@pytest.mark.parametrize("criteria", [{"repo": "docker-dev"}, {"$or": [{"path": "a/1"}]}, {"$and": [{"path": "a/1"}]}])
def test_a_query_without_alternatives_cannot_be_divided(criteria: dict[str, Any]) -> None:
    assert aql.halves(criteria) == []
