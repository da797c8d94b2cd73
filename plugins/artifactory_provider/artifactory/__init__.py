"""Talking to Artifactory: the client, references, manifests and errors. Knows no Airflow.

``ArtifactoryClient`` (in ``client``) is where to begin. What is named here is public; it is imported when it is first
used, so that who needs a reference only, as a DAG file does, does not import an HTTP library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
    from artifactory_provider.artifactory.authentication import (
        Anonymous,
        ApiKey,
        Basic,
        Bearer,
        IdentityExchange,
        RefreshableToken,
    )
    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.errors import ArtifactoryError
    from artifactory_provider.artifactory.manifests import Descriptor, Manifest
    from artifactory_provider.artifactory.references import ImageReference, InvalidReference
    from artifactory_provider.artifactory.settings import ServerSettings
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "authentication": ("Anonymous", "ApiKey", "Basic", "Bearer", "IdentityExchange", "RefreshableToken"),
            "client": ("ArtifactoryClient",),
            "errors": ("ArtifactoryError",),
            "manifests": ("Descriptor", "Manifest"),
            "references": ("ImageReference", "InvalidReference"),
            "settings": ("ServerSettings",),
        },
    )

__all__ = [
    "Anonymous",
    "ApiKey",
    "ArtifactoryClient",
    "ArtifactoryError",
    "Basic",
    "Bearer",
    "Descriptor",
    "IdentityExchange",
    "ImageReference",
    "InvalidReference",
    "Manifest",
    "RefreshableToken",
    "ServerSettings",
]
