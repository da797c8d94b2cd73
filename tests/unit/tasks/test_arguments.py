from __future__ import annotations

from typing import Any

import pytest

from artifactory_provider.tasks.arguments import is_known


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ({"a": ["b", None]}, True),
        ({"a": ["{{ b }}"]}, False),
        ("{% if x %}a{% endif %}", False),
        (object(), False),
        ("{tag}", True),
    ],
)
def test_only_plain_values_are_checked_at_parse_time(value: Any, known: bool) -> None:
    assert is_known(value) is known
