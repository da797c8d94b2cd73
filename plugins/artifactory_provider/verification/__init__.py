"""What must be true of a digest before it may move. Knows no Airflow, and only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.exports import import_when_used

if TYPE_CHECKING:
    from artifactory_provider.verification.attestations import AttestationCheck
    from artifactory_provider.verification.check import Check, ask_each, check_from_dict, check_to_dict
    from artifactory_provider.verification.combinations import AllOf, AnyOf, AtLeast
    from artifactory_provider.verification.evidence import Evidence, Subject
    from artifactory_provider.verification.http import HttpCheck, HttpService
    from artifactory_provider.verification.properties import PropertyCheck
    from artifactory_provider.verification.signatures import SignatureCheck
    from artifactory_provider.verification.soak import SoakCheck
    from artifactory_provider.verification.verdicts import State, Verdict
    from artifactory_provider.verification.verification import Verification, verify, verify_many
    from artifactory_provider.verification.xray import XrayCheck
else:
    __getattr__ = import_when_used(
        __name__,
        {
            "attestations": ("AttestationCheck",),
            "check": ("Check", "ask_each", "check_from_dict", "check_to_dict"),
            "combinations": ("AllOf", "AnyOf", "AtLeast"),
            "evidence": ("Evidence", "Subject"),
            "http": ("HttpCheck", "HttpService"),
            "properties": ("PropertyCheck",),
            "signatures": ("SignatureCheck",),
            "soak": ("SoakCheck",),
            "verdicts": ("State", "Verdict"),
            "verification": ("Verification", "verify", "verify_many"),
            "xray": ("XrayCheck",),
        },
    )

__all__ = [
    "AllOf",
    "AnyOf",
    "AtLeast",
    "AttestationCheck",
    "Check",
    "Evidence",
    "HttpCheck",
    "HttpService",
    "PropertyCheck",
    "SignatureCheck",
    "SoakCheck",
    "State",
    "Subject",
    "Verdict",
    "Verification",
    "XrayCheck",
    "ask_each",
    "check_from_dict",
    "check_to_dict",
    "verify",
    "verify_many",
]
