"""The check of Xray's scans."""

from __future__ import annotations

from artifactory_provider.verification.xray.check import XrayCheck

__all__ = ["XrayCheck"]
