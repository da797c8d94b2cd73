"""A build that pushes an image: its blobs, then its manifest under a tag, as ``docker push`` does."""

from __future__ import annotations

import hashlib

import httpx

from artifactory_sandbox.sample_images import make_image
from demo.scenario import PASSWORD, USERNAME


def push(sandbox_url: str, repository: str, image: str, tag: str, *, content: str = "") -> str:
    """Push a small image and return its digest.

    :param sandbox_url: where the sandbox is, as Artifactory's base URL.
    :param repository: the repository key.
    :param image: the image name.
    :param tag: the tag.
    :param content: what makes it another image than others of its name; by default, the tag.
    """
    made = make_image(f"{image}:{content or tag}")
    with httpx.Client(auth=(USERNAME, PASSWORD), trust_env=False) as http:
        place = f"{sandbox_url}/api/docker/{repository}/v2/{image}"
        for blob in made.blobs:
            upload = http.post(f"{place}/blobs/uploads/").raise_for_status()
            digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
            location = httpx.URL(sandbox_url).join(upload.headers["Location"]).copy_merge_params({"digest": digest})
            http.put(location, content=blob).raise_for_status()
        answer = http.put(
            f"{place}/manifests/{tag}", content=made.top.content, headers={"Content-Type": made.top.media_type}
        )
        answer.raise_for_status()
    return made.top.digest
