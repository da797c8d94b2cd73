"""The names of pending tags: whose they are, and whose they are not."""

from __future__ import annotations

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.tags import PendingTag, name_pending

DIGEST, OTHER = (f"sha256:{letter * 64}" for letter in "ab")
PROD = ImageReference("docker-prod", "payments/api", "1.4", DIGEST)


def read(name: ImageReference) -> PendingTag:
    pending = PendingTag.read((name.repository, name.image), str(name.tag), name.digest, None)
    assert pending is not None
    return pending


@pytest.mark.parametrize("repository", [None, "docker-transit"])
def test_a_pending_tag_tells_its_target_digest_and_run(repository: str | None) -> None:
    pending = read(name_pending(PROD, "run1", repository))
    assert pending.place.repository == (repository or "docker-prod")
    assert pending.place.image == "payments/api"
    assert pending.is_for(PROD)
    assert pending.is_of(PROD, "run1")
    assert not pending.is_of(PROD, "run2")
    assert not pending.is_rival_to(PROD)
    assert pending.is_rival_to(PROD.unpinned().pinned(OTHER))


@pytest.mark.parametrize(
    "other",
    [
        ImageReference("docker-dr", "payments/api", "1.4", DIGEST),
        ImageReference("docker-prod", "payments/api", "1.5", DIGEST),
    ],
)
def test_in_transit_neither_the_tag_nor_the_repository_alone_makes_it_the_same_target(other: ImageReference) -> None:
    pending = read(name_pending(PROD, "run1", "docker-transit"))
    assert not pending.is_for(other)
    assert not pending.is_of(other, "run1")
    assert not pending.is_rival_to(other.unpinned().pinned(OTHER))


def test_in_the_targets_own_repository_a_name_says_what_it_always_said() -> None:
    """A run of an earlier version knows it, too."""
    assert str(name_pending(PROD, "run1").tag).startswith(f"pending-{'a' * 12}-1a948f1b-run1-")


def test_no_pending_tag_has_the_name_of_another() -> None:
    assert len({name_pending(PROD, "run1", "docker-transit").tag for _ in range(100)}) == 100
