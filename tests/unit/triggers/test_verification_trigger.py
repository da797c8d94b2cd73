from __future__ import annotations

import json
import pkgutil

from artifactory_provider.triggers.verification import VerificationTrigger
from artifactory_provider.verification import PropertyCheck, check_to_dict


def test_the_trigger_is_made_anew_from_what_it_serialises_to() -> None:
    trigger = VerificationTrigger(
        artifactory_conn_id="artifactory_default",
        reference="docker-dev/app:1@sha256:" + "a" * 64,
        checks=[check_to_dict(PropertyCheck(name="a.b", passed="ä,|;", failed="no"))],
        poke_interval=7.5,
    )
    path, arguments = json.loads(json.dumps(trigger.serialize()))
    assert path == "artifactory_provider.triggers.verification.VerificationTrigger"
    assert pkgutil.resolve_name(path)(**arguments).serialize() == trigger.serialize()


def test_its_arguments_hold_no_credentials() -> None:
    _, arguments = VerificationTrigger(
        artifactory_conn_id="artifactory_default", reference="a/b:1", checks=[], poke_interval=1
    ).serialize()
    assert set(arguments) == {"artifactory_conn_id", "reference", "checks", "poke_interval", "follow", "until"}
