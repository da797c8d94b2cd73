"""What a platform team sets up once so that pushes start runs: the sandbox tells Airflow of them by a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from demo.errors import DemoError
from demo.scenario import DEV, PASSWORD, USERNAME

if TYPE_CHECKING:
    from demo.home import Home

_KEY = "airflow-pushes"


def subscribe(home: Home) -> None:
    """Have the sandbox tell Airflow of each tag that is pushed to dev; an earlier subscription is replaced.

    :param home: where both are, and the secret that they share.
    :raises DemoError: when the sandbox refuses.
    """
    url = f"{home.sandbox_url.removesuffix('/artifactory')}/event/api/v1/subscriptions"
    with httpx.Client(auth=(USERNAME, PASSWORD), trust_env=False) as http:
        answer = http.post(url, json=_subscription(home))
        if answer.status_code == httpx.codes.CONFLICT:
            answer = http.put(f"{url}/{_KEY}", json=_subscription(home))
    if not answer.is_success:
        raise DemoError(f"The sandbox refused the webhook with {answer.status_code}: {answer.text[:500]}")


def _subscription(home: Home) -> dict[str, Any]:
    return {
        "key": _KEY,
        "enabled": True,
        "event_filter": {"domain": "docker", "event_types": ["pushed"], "criteria": {"repoKeys": [DEV]}},
        "handlers": [
            {
                "handler_type": "webhook",
                "url": f"{home.airflow_url}/artifactory/webhooks/artifactory_default",
                "secret": home.secrets.webhook,
                "use_secret_for_signing": True,
            }
        ],
    }
