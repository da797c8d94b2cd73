"""The link from a task to its image in Artifactory's UI."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

    from artifactory_provider.artifactory.references import ImageReference


class ArtifactoryImageLink(BaseOperatorLink):
    """Opens the image in Artifactory's UI. Airflow asks for it on the worker, when the task ends."""

    name = "Artifactory"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the URL that the task left, or an empty text where it did not come so far.

        :param operator: the task that ran.
        :param ti_key: which of its instances.
        """
        return getattr(operator, "image_url", None) or ""


def image_url(base_url: str, reference: ImageReference) -> str:
    """Return where Artifactory's UI shows an image.

    :param base_url: the server's URL, with or without ``/artifactory`` at its end.
    :param reference: repository, image and tag.
    """
    platform = base_url.rstrip("/").removesuffix("/artifactory")
    path = "/".join(part for part in (reference.repository, reference.image, reference.tag) if part)
    return f"{platform}/ui/repos/tree/General/{quote(path)}"
