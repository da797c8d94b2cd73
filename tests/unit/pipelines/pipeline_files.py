"""Pipeline files for the tests: written as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from artifactory_provider.pipelines import InvalidPipeline, Pipeline, read_defaults, read_pipeline

if TYPE_CHECKING:
    from artifactory_provider.pipelines import Defaults

STAGES = """\
stages:
  - {name: dev, repository: docker-dev, checks: [{property: test.status}]}
  - {name: qa, repository: docker-qa}
  - {name: prod, repository: docker-prod}
"""
GOOD = f"image: payments/api\n{STAGES}"
DEFAULTS = f"checks:\n  unit: [{{property: test.status}}, {{soak: 24h}}]\n{STAGES}"


def read(text: str | bytes, *, defaults: Defaults | str | None = None) -> Pipeline:
    """Read a pipeline that is called payments."""
    found = read_defaults(defaults) if isinstance(defaults, str) else defaults
    return read_pipeline(text, name="payments", source="payments.yaml", defaults=found)


def problems_of(text: str | bytes, *, defaults: Defaults | str | None = None) -> list[str]:
    """Return what is wrong with a pipeline, each with its line and field."""
    with pytest.raises(InvalidPipeline) as caught:
        read(text, defaults=defaults)
    assert caught.value.name == "payments.yaml"
    return [str(problem) for problem in caught.value.problems]


def replace_stages(*stages: str, rest: str = "image: payments/api") -> str:
    """Return a file with stages, each the fields of one in YAML's flow style, from line 3 on."""
    return "\n".join([rest, "stages:", *(f"  - {{{stage}}}" for stage in stages)])
