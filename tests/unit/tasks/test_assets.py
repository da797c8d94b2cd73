from __future__ import annotations

import pytest
from airflow.sdk import Asset

from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.tasks.assets import image_asset, repository_alias


def test_an_asset_is_a_repository_and_an_image() -> None:
    assert image_asset("docker-qa", "payments/api").uri == "artifactory://docker-qa/payments/api"
    assert repository_alias("docker-qa").name == "artifactory://docker-qa"
    assert Asset("artifactory://docker-qa/payments/api") == image_asset("docker-qa", "payments/api")


@pytest.mark.parametrize("uri", ["artifactory://docker-qa", "artifactory:///app", "artifactory://docker-qa/App:1"])
def test_an_asset_uri_that_names_no_image_is_refused_when_the_dag_is_read(uri: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        Asset(uri)


@pytest.mark.parametrize(("repository", "image"), [("docker qa", "app"), ("docker-qa", "App"), ("docker-qa", "app:1")])
def test_an_asset_of_a_malformed_name_is_refused(repository: str, image: str) -> None:
    with pytest.raises(InvalidReference):
        image_asset(repository, image)
