from __future__ import annotations

import json
from typing import Any

import pytest

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.record import Attachment, PromotionRecord
from artifactory_provider.promotion.request import Promotion, PromotionOptions

DIGEST = "sha256:" + "a" * 64
DEV = ImageReference("docker-dev", "app", "1")
QA = ImageReference("docker-qa", "app", "1")
LONG = ImageReference("docker-qa", "app", "1" * 120)


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"source": ImageReference("docker-dev", "app")}, "source tag and a target tag, or neither"),
        ({"source": ImageReference("docker-dev", "app", digest=DIGEST)}, "source tag and a target tag, or neither"),
        ({"target": ImageReference("docker-qa", "app")}, "source tag and a target tag, or neither"),
        (
            {
                "source": ImageReference("docker-dev", "app", digest=DIGEST),
                "target": ImageReference("docker-qa", "app"),
            },
            "needs the tag that shows it",
        ),
        ({"target": QA.pinned(DIGEST)}, "digest is given with the source"),
        ({"target": DEV}, "give another target"),
        ({"source": DEV.pinned(DIGEST), "target": DEV}, "give another target"),
        ({"on_conflict": "ask"}, "'fail', 'overwrite' or 'backup'"),
        ({"on_conflict": None}, "'fail', 'overwrite' or 'backup'"),
        ({"on_conflict": "backup", "target": ImageReference("docker-qa", "app", "a" * 110)}, "too long for a tag"),
        ({"property_prefix": "my prefix"}, "my prefix' is no property name"),
        ({"property_prefix": ""}, "is no property name"),
        ({"properties": "by=jane"}, "names and values"),
        ({"properties": {"by whom": "jane"}}, "by whom' is no property name"),
        ({"properties": {5: "jane"}}, "names and values are texts"),
        ({"properties": {"by": None}}, "names and values are texts"),
        ({"properties": {"build": 5}}, "names and values are texts"),
        ({"properties": {"by": "\ud800"}}, "names and values are texts"),
        ({"properties": {"replaced": "none"}}, "'replaced' is the record's own"),
        ({"run": "Run 1"}, "lower-case letters and digits"),
        ({"pending_timeout": -1}, "0 or more"),
        ({"confirmation_timeout": -1}, "0 or more"),
        ({"confirmation_timeout": float("inf")}, "0 or more"),
    ],
)
def test_a_promotion_that_makes_no_sense_is_refused(fields: dict[str, Any], advice: str) -> None:
    places = {name: fields.pop(name) for name in ("source", "target") if name in fields}
    with pytest.raises(InvalidPromotion, match=advice):
        Promotion(**{"source": DEV, "target": QA, **places}, options=PromotionOptions(**fields))


@pytest.mark.parametrize(
    "target",
    [QA, ImageReference("docker-dev", "other", "1"), ImageReference("docker-dev", "app", "2")],
)
def test_another_repository_image_or_tag_is_another_place(target: ImageReference) -> None:
    assert Promotion(source=DEV, target=target).options.copy is True


def test_the_record_is_json_with_stable_keys() -> None:
    record = PromotionRecord(
        outcome="promoted",
        source=DEV.pinned(DIGEST),
        target=QA.pinned(DIGEST),
        media_type="application/vnd.oci.image.index.v1+json",
        children=("sha256:" + "b" * 64,),
        attachments=(Attachment(subject=DIGEST, digest="sha256:" + "c" * 64, tag=f"sha256-{'a' * 64}.sig"),),
        replaced=None,
        copy=True,
        verdicts=("test.status: passed",),
    ).as_dict()
    assert json.loads(json.dumps(record)) == record
    assert record == {
        "outcome": "promoted",
        "digest": DIGEST,
        "source": {
            "repository": "docker-dev",
            "image": "app",
            "tag": "1",
            "reference": f"docker-dev/app:1@{DIGEST}",
        },
        "target": {"repository": "docker-qa", "image": "app", "tag": "1", "reference": f"docker-qa/app:1@{DIGEST}"},
        "media_type": "application/vnd.oci.image.index.v1+json",
        "children": ["sha256:" + "b" * 64],
        "attachments": [{"subject": DIGEST, "digest": "sha256:" + "c" * 64, "tag": f"sha256-{'a' * 64}.sig"}],
        "replaced": None,
        "copy": True,
        "verdicts": ["test.status: passed"],
    }
