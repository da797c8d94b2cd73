"""What the client's tests share: a certificate authority, and a server's certificate that it has issued."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from tests.integration.artifactory.authority import Authority

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def server_tls(authority: Authority) -> ssl.SSLContext:
    issued = authority.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    return context
