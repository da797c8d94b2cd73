"""What tasks that move or verify images have: they tell OpenLineage of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from artifactory_provider.operators.base import ArtifactoryOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.openlineage.extractors import OperatorLineage

    from artifactory_provider.artifactory.references import ImageReference


class LineageOperator(ArtifactoryOperator):
    """A task that keeps, when it ends, which images it has promoted or verified; also where it fails in the end."""

    _server = ""
    _promotions: Sequence[tuple[ImageReference, ImageReference]] = ()
    _verified: Sequence[tuple[ImageReference, Mapping[str, bool]]] = ()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage[Any, Any] | None:
        """Tell OpenLineage, where its provider is installed, which images were promoted to where, or verified."""
        if not self._promotions and not self._verified:
            return None
        from artifactory_provider.tasks.lineage import describe_lineage

        return describe_lineage(self._server, promoted=self._promotions, verified=self._verified)
