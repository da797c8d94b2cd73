"""Promoting images: one protocol over one ledger. What is public is named here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
    from artifactory_provider.promotion.backup import find_previous
    from artifactory_provider.promotion.batch import Progress, promote_image, promote_many
    from artifactory_provider.promotion.errors import (
        AttachmentLost,
        FolderShared,
        InvalidPlan,
        InvalidPromotion,
        NothingToRestore,
        NotVerified,
        NotVerifiedYet,
        PromotionError,
        SourceIncomplete,
        SourceMoved,
        SourceRemains,
        TagsNotPromoted,
        TargetConflict,
        TargetUnverified,
    )
    from artifactory_provider.promotion.promote import promote
    from artifactory_provider.promotion.record import Attachment, PromotionRecord
    from artifactory_provider.promotion.reports import PromotionReport, PromotionResult
    from artifactory_provider.promotion.request import Promotion, PromotionOptions, make_promotions
    from artifactory_provider.promotion.transfer import pin
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "backup": ("find_previous",),
            "batch": ("Progress", "promote_image", "promote_many"),
            "errors": (
                "AttachmentLost",
                "FolderShared",
                "InvalidPlan",
                "InvalidPromotion",
                "NothingToRestore",
                "NotVerified",
                "NotVerifiedYet",
                "PromotionError",
                "SourceIncomplete",
                "SourceMoved",
                "SourceRemains",
                "TagsNotPromoted",
                "TargetConflict",
                "TargetUnverified",
            ),
            "promote": ("promote",),
            "record": ("Attachment", "PromotionRecord"),
            "reports": ("PromotionReport", "PromotionResult"),
            "request": ("Promotion", "PromotionOptions", "make_promotions"),
            "transfer": ("pin",),
        },
    )

__all__ = [
    "Attachment",
    "AttachmentLost",
    "FolderShared",
    "InvalidPlan",
    "InvalidPromotion",
    "NotVerified",
    "NotVerifiedYet",
    "NothingToRestore",
    "Progress",
    "Promotion",
    "PromotionError",
    "PromotionOptions",
    "PromotionRecord",
    "PromotionReport",
    "PromotionResult",
    "SourceIncomplete",
    "SourceMoved",
    "SourceRemains",
    "TagsNotPromoted",
    "TargetConflict",
    "TargetUnverified",
    "find_previous",
    "make_promotions",
    "pin",
    "promote",
    "promote_image",
    "promote_many",
]
