from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifactory_provider.artifactory.authentication import Anonymous, ApiKey, Basic, Bearer
from artifactory_provider.artifactory.errors import InvalidSettings
from artifactory_provider.artifactory.settings import ServerSettings

if TYPE_CHECKING:
    from pathlib import Path

BASE = "https://example.com/artifactory"


def settings(**changes: Any) -> ServerSettings:
    return ServerSettings(**{"base_url": BASE, **changes})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com",
        "https://",
        "https:///artifactory",
        "https://example.com:port",
        "https://example.com:99999",
        "https://example.com:0",
        "http://[::1",
        "https://example..com",
        f"https://{'a' * 64}.com",
        "https://exa mple.com",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://example.com/ä",
        "https://example.com/?a=b",
        "https://example.com/#a",
    ],
)
@pytest.mark.parametrize("field", ["base_url", "docker_urls", "proxy"])
def test_a_url_that_cannot_work_is_refused_before_anything_is_sent(url: str, field: str) -> None:
    value: Any = {"docker-dev": url} if field == "docker_urls" else url
    if field == "proxy" and not url:
        value = "proxy"
    with pytest.raises(InvalidSettings):
        settings(**{field: value})


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081", "http://[::1]:8082/artifactory", "https://a.b/x/artifactory/"]
)
def test_addresses_ports_and_paths_are_taken(url: str) -> None:
    assert settings(base_url=url).base_url == url


def test_credentials_in_a_url_are_refused_and_not_shown() -> None:
    for field in ("base_url", "docker_url", "docker_urls"):
        url = "https://admin:s3cret@example.com/{repository}"
        with pytest.raises(InvalidSettings, match="holds credentials: give them as login and password") as caught:
            settings(**{field: {"docker-dev": url.format(repository="x")} if field == "docker_urls" else url})
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "https://example.com/v2",
        "{base}/v2",
        "{base}/{repository}/{tag}",
        "{repository}",
        "{base}/{repository",
        "{base}/{}",
        "{base}/{0}/{repository}",
        "{base.__class__}/{repository}",
        "{base}/{repository!r}",
        "{base}/{repository:>1000000}",
    ],
)
def test_a_template_that_leads_nowhere_is_refused(template: str) -> None:
    with pytest.raises(InvalidSettings):
        settings(docker_url=template)


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, f"{BASE}/api/docker/docker-dev/v2"),
        ({"docker_url": "https://{repository}.example.com:8443/v2/"}, "https://docker-dev.example.com:8443/v2"),
        ({"docker_url": "https://example.com/v2/{repository}"}, "https://example.com/v2/docker-dev"),
        ({"docker_urls": {"docker-dev": "https://example.com:5001/v2/"}}, "https://example.com:5001/v2"),
        ({"docker_urls": {"docker-qa": "https://example.com:5002/v2"}}, f"{BASE}/api/docker/docker-dev/v2"),
    ],
)
def test_one_template_or_a_map_leads_to_a_repositorys_docker_api(changes: dict[str, Any], url: str) -> None:
    assert settings(**changes).docker_api("docker-dev", base=BASE) == url


@pytest.mark.parametrize("name", ["timeout", "connect_timeout", "promote_timeout", "longest_pause", "attempts"])
@pytest.mark.parametrize("value", [0, -1])
def test_no_patience_at_all_is_refused(name: str, value: int) -> None:
    with pytest.raises(InvalidSettings, match=name):
        settings(**{name: value})


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_endless_patience_is_refused(value: float) -> None:
    with pytest.raises(InvalidSettings, match="timeout"):
        settings(timeout=value)


def test_a_proxy_comes_from_the_settings_or_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert settings().proxy_for(BASE) is None
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example.com,example.com:8443")
    assert settings().proxy_for(BASE) == "http://proxy.example.com:3128"
    assert settings().proxy_for("http://example.com") is None
    assert settings().proxy_for("https://example.com:8443/artifactory") is None
    assert settings().proxy_for("https://docker.internal.example.com") is None
    assert settings(proxy="http://other:80").proxy_for("https://internal.example.com") == "http://other:80"


def test_a_proxy_of_another_kind_is_refused_without_showing_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:s3cret@proxy.example.com:1080")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(InvalidSettings, match="HTTPS_PROXY") as caught:
        settings().proxy_for(BASE)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("authentication", [Basic("admin", "s3cret"), Bearer("s3cret"), ApiKey("s3cret"), Anonymous()])
def test_no_secret_is_in_a_repr(authentication: Any) -> None:
    shown = repr(settings(authentication=authentication, proxy="http://user:s3cret@proxy:80"))
    assert "s3cret" not in shown
    assert base64.b64encode(b"admin:s3cret").decode() not in shown


@given(st.text(), st.text())
def test_basic_credentials_arrive_as_they_were_given_or_are_refused(username: str, password: str) -> None:
    try:
        header = Basic(username, password).headers()["Authorization"]
    except InvalidSettings:
        return
    assert header.isascii()
    assert header.isprintable()
    sent_username, _, sent_password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
    assert (sent_username, sent_password) == (username, password)


@pytest.mark.parametrize(
    ("username", "password"), [("ad:min", "x"), ("robot", "x\n"), ("ad\r\nmin", "x"), ("robot", "\ud800")]
)
def test_basic_credentials_that_cannot_be_sent_are_refused_and_not_shown(username: str, password: str) -> None:
    with pytest.raises(InvalidSettings, match="copy them again") as caught:
        Basic(username, password)
    assert username not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "with space", "line\nbreak", "ünicode", "tab\t"])
@pytest.mark.parametrize("kind", [Bearer, ApiKey])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(kind: type[Bearer | ApiKey], secret: str) -> None:
    with pytest.raises(InvalidSettings, match="copy it again") as caught:
        kind(secret)
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize("field", ["ca_file", "client_certificate"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificate_files_that_are_missing_or_none_are_settings_errors(
    tmp_path: Path, field: str, content: str | None
) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidSettings, match="check ca_file, client_certificate and client_key"):
        settings(**{field: str(path)}).tls_context()


def test_a_client_key_alone_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="client_certificate"):
        settings(client_key="key.pem")
