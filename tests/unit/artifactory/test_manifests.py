from __future__ import annotations

import contextlib
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.manifests import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    InvalidManifest,
    Manifest,
    UnusableManifest,
    manifest_path,
)
from artifactory_provider.artifactory.references import ImageReference, InvalidReference

CHILD = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "config": {"digest": CHILD, "size": 1}, "layers": []}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [{"digest": CHILD}, {"digest": OTHER}]}


def read(document: Any, media_type: str = "") -> Manifest:
    return Manifest.read(json.dumps(document).encode(), media_type=media_type)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_a_manifest_has_the_digest_of_its_bytes_and_no_children(media_type: str) -> None:
    content = json.dumps(MANIFEST, indent=3).encode()
    manifest = Manifest.read(content, media_type=media_type)
    assert manifest.descriptor == Descriptor(f"sha256:{hashlib.sha256(content).hexdigest()}", media_type)
    assert manifest.children == ()


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX, "", "application/json"])
@pytest.mark.parametrize("others", [{}, {"config": None}, {"config": None, "layers": None, "subject": None}])
def test_an_index_whose_list_is_null_is_empty_and_what_else_is_null_is_not_there(
    media_type: str, others: dict[str, None]
) -> None:
    manifest = read({"schemaVersion": 2, "manifests": None, **others}, media_type)
    assert manifest.descriptor.is_index
    assert (manifest.children, manifest.blobs) == ((), ())
    assert read({**INDEX, **others}, media_type).children == (CHILD, OTHER)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST, "", "application/json"])
@pytest.mark.parametrize("others", [{}, {"manifests": None}])
def test_a_manifest_whose_layers_are_null_has_none(media_type: str, others: dict[str, None]) -> None:
    manifest = read({**MANIFEST, "layers": None, **others}, media_type)
    assert not manifest.descriptor.is_index
    assert manifest.blobs == (CHILD,)


ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"


@pytest.mark.parametrize("sent", ["", "application/json", None])
@pytest.mark.parametrize(
    ("kind", "document", "said"),
    [
        (ARTIFACT, {"blobs": []}, "It is an OCI artifact manifest"),
        (f"{SCHEMA_1}+json", {"schemaVersion": 1, "fsLayers": []}, "It is a Docker image of schema 1"),
        (f"{SCHEMA_1}+prettyjws", {"schemaVersion": 1, "fsLayers": []}, "It is a Docker image of schema 1"),
        ("application/vnd.example.chart.v2+json", {"chart": "x"}, "Its media type is 'application/vnd.example"),
    ],
)
def test_a_manifest_of_another_kind_is_refused_by_its_name(
    kind: str, document: dict[str, Any], said: str, sent: str | None
) -> None:
    with pytest.raises(UnusableManifest, match=said):
        read({**document, "mediaType": kind}, kind if sent is None else sent)


@pytest.mark.parametrize("sent", ["", "application/json", "text/plain"])
def test_a_docker_image_of_schema_1_is_known_even_where_nothing_names_it(sent: str) -> None:
    with pytest.raises(UnusableManifest, match="It is a Docker image of schema 1"):
        read({"schemaVersion": 1, "name": "app", "fsLayers": [{"blobSum": CHILD}]}, sent)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"config": {"digest": CHILD}}, "no list of layers, which the specification asks for"),
        ({"config": None, "layers": []}, "a config without a valid digest"),
        ({"layers": []}, "a config without a valid digest"),
        ({"config": {"digest": CHILD}, "layers": {}}, "no list of layers"),
        ({"config": {"digest": CHILD}, "layers": [None]}, "a layer without a valid digest"),
        ({"config": {"digest": f"sha512:{'a' * 128}"}, "layers": []}, "a config without a valid digest"),
    ],
)
def test_a_manifest_that_breaks_the_rules_is_refused_by_the_rule(document: dict[str, Any], said: str) -> None:
    with pytest.raises(UnusableManifest, match=said):
        read(document, OCI_MANIFEST)


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
def test_an_index_lists_its_children_in_its_order_and_each_once(media_type: str) -> None:
    document = {**INDEX, "manifests": [{"digest": OTHER}, {"digest": CHILD}, {"digest": OTHER}]}
    assert read(document, media_type).children == (OTHER, CHILD)


@pytest.mark.parametrize("sent", ["", "application/json", "application/octet-stream", "text/plain"])
def test_a_content_type_that_tells_nothing_leaves_it_to_the_document(sent: str) -> None:
    assert read({**INDEX, "mediaType": DOCKER_INDEX}, sent).descriptor.media_type == DOCKER_INDEX
    assert read(INDEX, sent).descriptor.media_type == OCI_INDEX
    assert read(MANIFEST, sent).descriptor.media_type == OCI_MANIFEST
    assert read({**MANIFEST, "mediaType": None}, sent).descriptor.media_type == OCI_MANIFEST


@pytest.mark.parametrize(
    ("document", "sent"),
    [
        ({**MANIFEST, "mediaType": OCI_MANIFEST}, OCI_INDEX),
        ({**INDEX, "mediaType": OCI_INDEX}, OCI_MANIFEST),
        ({**INDEX, "layers": []}, OCI_INDEX),
        ({**MANIFEST, "manifests": [{"digest": CHILD}]}, OCI_MANIFEST),
    ],
)
def test_a_document_that_can_be_read_in_two_ways_is_read_in_none(document: Any, sent: str) -> None:
    with pytest.raises(InvalidManifest):
        read(document, sent)


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        None,
        {},
        {"mediaType": ["a"]},
        {"mediaType": {}},
        {"mediaType": 7, "manifests": []},
        {"mediaType": OCI_INDEX},
        {"mediaType": OCI_INDEX, "manifests": {}},
        {"mediaType": OCI_INDEX, "manifests": [None]},
        {"mediaType": OCI_INDEX, "manifests": [{"digest": 1}]},
        {"mediaType": OCI_INDEX, "manifests": [{"digest": "sha256:short"}]},
        {"mediaType": OCI_INDEX, "manifests": ["sha256:" + "a" * 64]},
        {"mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws", "fsLayers": []},
    ],
)
def test_what_is_no_manifest_is_refused_as_none(document: Any) -> None:
    with pytest.raises(InvalidManifest):
        read(document, "application/json")


def test_an_index_of_more_children_than_any_image_has_is_refused() -> None:
    children = [{"digest": f"sha256:{number:064x}"} for number in range(1001)]
    assert len(read({**INDEX, "manifests": children[1:]}, OCI_INDEX).children) == 1000
    with pytest.raises(InvalidManifest, match="lists 1001 manifests: 1000 are taken at most"):
        read({**INDEX, "manifests": children}, OCI_INDEX)


@pytest.mark.parametrize("field", ["mediaType", "digest"])
def test_a_very_long_wrong_value_does_not_fill_the_message(field: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        read({"config": {"digest": CHILD}, "layers": [{"digest": "x" * 9000}], field: "x" * 9000}, "")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000, b"1" * 10_000, b'"\xc3"']
)
def test_hostile_bytes_are_refused_and_crash_nothing(content: bytes) -> None:
    with pytest.raises(InvalidManifest):
        Manifest.read(content, media_type=OCI_MANIFEST)


@given(st.binary(max_size=200), st.sampled_from(["", OCI_INDEX, OCI_MANIFEST, "text/html"]))
def test_any_bytes_are_a_manifest_or_refused(content: bytes, media_type: str) -> None:
    with contextlib.suppress(InvalidManifest):
        Manifest.read(content, media_type=media_type)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([CHILD, OCI_INDEX, OCI_MANIFEST]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mediaType", "manifests", "digest", "config", "layers"]), inner, max_size=4)
    ),
)


@given(json_values, st.sampled_from(["", OCI_INDEX, OCI_MANIFEST]))
def test_any_json_is_a_manifest_or_refused(document: Any, media_type: str) -> None:
    with contextlib.suppress(InvalidManifest):
        read(document, media_type)


def test_the_item_of_a_manifest_and_of_an_index_have_the_names_that_artifactory_gives_them() -> None:
    reference = ImageReference("docker-dev", "payments/api", "1")
    assert manifest_path(reference, Descriptor(CHILD, OCI_MANIFEST)) == "docker-dev/payments/api/1/manifest.json"
    assert manifest_path(reference, Descriptor(CHILD, DOCKER_INDEX)) == "docker-dev/payments/api/1/list.manifest.json"


def test_there_is_no_item_of_a_tag_without_a_tag() -> None:
    with pytest.raises(InvalidReference):
        manifest_path(ImageReference("docker-dev", "app", digest=CHILD), Descriptor(CHILD, OCI_MANIFEST))
