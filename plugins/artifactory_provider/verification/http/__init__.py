"""The check that asks another service over HTTP, and how that is reached."""

from __future__ import annotations

from artifactory_provider.verification.http.check import HttpCheck
from artifactory_provider.verification.http.services import HttpService

__all__ = ["HttpCheck", "HttpService"]
