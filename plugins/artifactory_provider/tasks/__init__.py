"""What operators, sensors, triggers and pages share: arguments, forms, retries, assets, what tasks hand on.

What DAG files need of it can be imported from here; the rest is for this package alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
    from artifactory_provider.tasks.assets import image_asset, repository_alias
    from artifactory_provider.tasks.forms import TagSelection, as_list, check_conf
    from artifactory_provider.tasks.retries import RETRY_POLICY
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "assets": ("image_asset", "repository_alias"),
            "forms": ("TagSelection", "as_list", "check_conf"),
            "retries": ("RETRY_POLICY",),
        },
    )

__all__ = ["RETRY_POLICY", "TagSelection", "as_list", "check_conf", "image_asset", "repository_alias"]
