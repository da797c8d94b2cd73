from __future__ import annotations

import importlib
import json
import pkgutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.signing import signer

from artifactory_provider import verification
from artifactory_provider.artifactory.references import InvalidReference
from artifactory_provider.verification import (
    AttestationCheck,
    Check,
    PropertyCheck,
    SignatureCheck,
    check_from_dict,
    check_to_dict,
)
from artifactory_provider.verification.check import find_kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

names = st.from_regex(r"[A-Za-z0-9._:-]{1,40}", fullmatch=True)
values = st.text(min_size=1)


@given(names, values, values)
def test_a_check_survives_the_way_through_json(name: str, passed: str, failed: str) -> None:
    assume(passed != failed)
    check = PropertyCheck(name=name, passed=passed, failed=failed)
    assert check_from_dict(json.loads(json.dumps(check_to_dict(check)))) == check


@pytest.mark.parametrize(
    "check",
    [
        SignatureCheck(),
        SignatureCheck(name="by qa", keys=[signer().pem, signer(number=1).pem], bundles=False, other_keys="wait"),
        AttestationCheck(key=signer().pem, predicate_type="https://slsa.dev/provenance/v1", condition="passed"),
    ],
    ids=("presence", "signature", "attestation"),
)
def test_a_check_of_what_is_signed_survives_the_way_through_json(check: Check) -> None:
    assert check_from_dict(json.loads(json.dumps(check_to_dict(check)))) == check


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"passed": ""}, {"failed": ""}, {"passed": "x", "failed": "x"}, {"passed": True}, {"name": None}],
)
def test_a_check_that_could_never_tell_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="property check"):
        PropertyCheck(**fields)


def test_a_value_that_yaml_made_a_boolean_is_refused_with_how_to_keep_it_as_it_was_written() -> None:
    with pytest.raises(ValueError, match="True is a boolean, not a property's value: quote it"):
        PropertyCheck(passed=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["test status", "test/status", "a=b", "a,b", "a;b", "a\nb", "a|b|(c)"])
def test_a_property_that_artifactory_cannot_hold_is_refused_when_the_dag_is_read(name: str) -> None:
    with pytest.raises(InvalidReference, match="is no property name"):
        PropertyCheck(name=name)


@pytest.mark.parametrize(
    "document",
    [{}, {"kind": None}, {"kind": ["property"]}, {"kind": "nonsense"}, {"kind": "property", "colour": "red"}],
)
def test_what_describes_no_check_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"check of kind"):
        check_from_dict(document)


def test_only_checks_can_be_written() -> None:
    with pytest.raises(ValueError, match="give a PropertyCheck"):
        check_to_dict("test.status")


def test_each_check_of_this_package_has_a_short_kind_and_is_found_by_it() -> None:
    for module in pkgutil.walk_packages(verification.__path__, f"{verification.__name__}."):
        importlib.import_module(module.name)

    def find(cls: type[Check]) -> Iterator[type[Check]]:
        for one in cls.__subclasses__():
            yield from find(one)
            if one.kind and one.__module__.startswith(verification.__name__):
                yield one

    assert sorted(one.kind for one in find(Check)) == list(find_kinds())  # type: ignore[type-abstract]
    for cls in find(Check):  # type: ignore[type-abstract]
        with pytest.raises(ValueError, match=rf"^A check of kind '{cls.kind}' has other fields \({cls.__name__}"):
            check_from_dict({"kind": cls.kind, "nonsense": 1})
