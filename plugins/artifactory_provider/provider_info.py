"""What Airflow reads of this package: connection type, hooks, operators, sensors, triggers, notifier and commands."""

from __future__ import annotations

from typing import Any

from artifactory_provider import __version__


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's ``provider_info.schema.json``."""
    from artifactory_provider.hooks.connection_form import CONNECTION_FORM

    name = "JFrog Artifactory"
    package = "artifactory_provider"
    return {
        "package-name": "airflow-provider-artifactory",
        "name": name,
        "description": "Promote Docker images through JFrog Artifactory repositories.",
        "versions": [__version__],
        "integrations": [{"integration-name": name, "tags": ["service"]}],
        "connection-types": [
            {
                "connection-type": "artifactory",
                "hook-class-name": f"{package}.hooks.artifactory.ArtifactoryHook",
                "hook-name": name,
                **CONNECTION_FORM,
            }
        ],
        "hooks": [{"integration-name": name, "python-modules": [f"{package}.hooks.artifactory"]}],
        "operators": [
            {
                "integration-name": name,
                "python-modules": [
                    f"{package}.operators.{module}"
                    for module in (
                        "approval",
                        "batch_report",
                        "change_report",
                        "decisions",
                        "override",
                        "plan",
                        "plan_one",
                        "plan_retention",
                        "plan_rollback",
                        "promote",
                        "promote_batch",
                        "retention",
                        "rollback",
                        "stop",
                    )
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": name,
                "python-modules": [f"{package}.sensors.{module}" for module in ("batch_verification", "verification")],
            }
        ],
        "triggers": [
            {
                "integration-name": name,
                "python-modules": [f"{package}.triggers.{module}" for module in ("pushes", "verification")],
            }
        ],
        "notifications": [f"{package}.notifications.notifier.PromotionNotifier"],
        "asset-uris": [{"schemes": ["artifactory"], "handler": f"{package}.tasks.assets.check_uri"}],
        "cli": [f"{package}.cli.definition.get_commands"],
        "extra-links": [f"{package}.links.artifactory.ArtifactoryImageLink"],
    }
