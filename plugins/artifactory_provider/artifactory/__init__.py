"""Talking to Artifactory: the client, references, manifests and errors. Knows no Airflow.

``ArtifactoryClient`` (in ``client``) is where to begin. What is named here is public; it is imported when it is first
used, so that who needs a reference only, as a DAG file does, does not import an HTTP library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_MODULES = {
    "authentication": ("Anonymous", "ApiKey", "Basic", "Bearer", "IdentityExchange", "RefreshableToken"),
    "client": ("ArtifactoryClient",),
    "errors": ("ArtifactoryError",),
    "manifests": ("Descriptor", "Manifest"),
    "references": ("ImageReference", "InvalidReference"),
    "settings": ("ServerSettings",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
