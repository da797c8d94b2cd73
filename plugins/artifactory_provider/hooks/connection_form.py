"""The form in which people fill in a connection. Airflow reads it in every process: it imports nothing."""

from __future__ import annotations

from typing import Any, Literal, get_args

WebhookAuthentication = Literal["hmac", "secret"]
AuthenticationKind = Literal["automatic", "basic", "access_token", "refreshable_token", "oidc", "api_key", "anonymous"]

CONNECTION_FORM: dict[str, Any] = {
    "ui-field-behaviour": {
        "hidden-fields": ["schema"],
        "relabeling": {
            "host": "Artifactory URL",
            "login": "User name",
            "password": "Password, access token or API key",
        },
        "placeholders": {
            "host": "https://example.com/artifactory",
            "port": "443",
            "login": "leave empty for an access token",
        },
    },
    "conn-fields": {
        "auth_kind": {
            "label": "Authentication",
            "description": (
                "automatic: OIDC or refreshable token where their fields are filled in; else with a user name basic, "
                "without one access token (Bearer) or API key."
            ),
            "schema": {
                "type": ["string", "null"],
                "enum": list(get_args(AuthenticationKind)),
                "default": "automatic",
            },
        },
        "refresh_token": {
            "label": "Refresh token",
            "description": (
                "Belongs to the access token. Servers take it once, so one task at a time can use the connection: "
                "prefer OIDC."
            ),
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "oidc_provider": {
            "label": "OIDC provider",
            "description": "The name under which Artifactory knows who issues the identity tokens.",
            "schema": {"type": ["string", "null"]},
        },
        "oidc_token_file": {
            "label": "OIDC identity token file",
            "description": "On the workers and the triggerer, such as a projected service account token.",
            "schema": {"type": ["string", "null"]},
        },
        "oidc_project_key": {"label": "OIDC project key", "schema": {"type": ["string", "null"]}},
        "oidc_audience": {"label": "OIDC audience", "schema": {"type": ["string", "null"]}},
        "oidc_identity_mapping": {"label": "OIDC identity mapping", "schema": {"type": ["string", "null"]}},
        "verify": {
            "label": "Verify TLS certificates",
            "schema": {"type": ["boolean", "null"], "default": True},
        },
        "ca_file": {
            "label": "Certificate authority file",
            "description": "PEM file on the workers and the triggerer, for a private certificate authority.",
            "schema": {"type": ["string", "null"]},
        },
        "client_certificate": {
            "label": "Client certificate file",
            "description": "PEM file for mutual TLS, with the key in it or in the file below.",
            "schema": {"type": ["string", "null"]},
        },
        "client_key": {"label": "Client key file", "schema": {"type": ["string", "null"]}},
        "proxy": {
            "label": "HTTP proxy",
            "description": "URL of a proxy on the way; without it HTTPS_PROXY and NO_PROXY count.",
            "schema": {"type": ["string", "null"]},
        },
        "docker_url": {
            "label": "Docker API URL",
            "description": (
                "Behind a reverse proxy: a template such as https://{repository}.example.com/v2 or "
                "https://example.com/v2/{repository}. Empty: {base}/api/docker/{repository}/v2."
            ),
            "schema": {"type": ["string", "null"]},
        },
        "docker_urls": {
            "label": "Docker API URLs by repository",
            "description": 'For a port per repository: {"docker-dev": "https://example.com:5001/v2"}.',
            "schema": {"type": ["object", "null"]},
        },
        "timeout": {
            "label": "Timeout of a request (seconds)",
            "schema": {"type": ["number", "null"], "minimum": 1, "default": 60},
        },
        "promote_timeout": {
            "label": "Timeout of a promotion request (seconds)",
            "schema": {"type": ["number", "null"], "minimum": 1, "default": 900},
        },
        "policy": {
            "label": "Variable of the policy",
            "description": (
                "An Airflow Variable with the rules of promotions. One that is named here has to be there; without it "
                "artifactory_policy counts, if that is there."
            ),
            "schema": {"type": ["string", "null"]},
        },
        "stop": {
            "label": "Variable of the stops",
            "description": "An Airflow Variable with what is stopped; without it artifactory_stop.",
            "schema": {"type": ["string", "null"]},
        },
        "seal_connection": {
            "label": "Connection that seals answers",
            "description": "Its password seals what people have approved; without it this connection's.",
            "schema": {"type": ["string", "null"]},
        },
        "webhook_secret": {
            "label": "Secret of the webhooks",
            "description": "What Artifactory's webhooks to this Airflow are signed with; without it none is taken.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "webhook_auth": {
            "label": "How webhooks show the secret",
            "description": "hmac: the payload is signed with it; secret: it is sent as it is.",
            "schema": {"type": ["string", "null"], "enum": list(get_args(WebhookAuthentication)), "default": "hmac"},
        },
    },
}
