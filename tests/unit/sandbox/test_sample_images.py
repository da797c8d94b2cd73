"""Made images: equal where they must be, different where they must be, and complete."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

from hypothesis import given
from hypothesis import strategies as st

from artifactory_sandbox.manifests import content_digest
from artifactory_sandbox.sample_images import PLATFORMS, make_image


@given(st.text(max_size=30), st.text(max_size=30), st.booleans())
def test_equal_texts_make_equal_digests_and_others_different_ones(one: str, other: str, oci: bool) -> None:
    first, again, second = (make_image(text, oci=oci).top.digest for text in (one, one, other))
    assert first == again
    assert (first == second) == (one == other)


@given(st.text(max_size=30), st.sampled_from([PLATFORMS[:1], PLATFORMS]), st.booleans())
def test_an_image_holds_all_that_it_refers_to(content: str, platforms: tuple[str, ...], oci: bool) -> None:
    image = make_image(content, platforms=platforms, oci=oci)
    assert image.top.is_index == (len(platforms) > 1)
    blobs = {content_digest(blob): blob for blob in image.blobs}
    for manifest in image.children or (image.top,):
        assert manifest.config is not None
        assert set(manifest.blobs) <= set(blobs)
        config = json.loads(blobs[manifest.config.digest])
        layers = [gzip.decompress(blobs[layer.digest]) for layer in manifest.layers]
        assert config["rootfs"]["diff_ids"] == [content_digest(layer) for layer in layers]
        for layer in layers:
            with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
                assert archive.getnames()
    assert [child.digest for child in image.top.manifests] == [child.digest for child in image.children]
