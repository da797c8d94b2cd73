"""Telling people what waits for them, is held back, has failed, or is late."""

from __future__ import annotations

from artifactory_provider.notifications.notifier import PromotionNotifier

__all__ = ["PromotionNotifier"]
