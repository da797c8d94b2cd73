"""The client of one Artifactory: all endpoints that a promotion needs, over one open connection."""

from __future__ import annotations

from artifactory_provider.artifactory.docker_api import DockerApi
from artifactory_provider.artifactory.rest_api import RestApi


class ArtifactoryClient(DockerApi, RestApi):
    """The asynchronous client of one Artifactory. Use it as an asynchronous context manager.

    :param settings: how the server is reached.
    """
