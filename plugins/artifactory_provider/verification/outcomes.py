"""What a verification comes to, in a line for people and as a small JSON object."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.manifests import manifest_path
from artifactory_provider.artifactory.properties import check_property_name
from artifactory_provider.promotion.transfer import pin
from artifactory_provider.verification.verdicts import State, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from artifactory_provider.artifactory.client import ArtifactoryClient
    from artifactory_provider.artifactory.references import ImageReference
    from artifactory_provider.verification.verification import Verification

_MOST_VERDICTS = 20
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")


def describe_waiting(verification: Verification, *, until: str | None = None) -> str:
    """Return the line that says what is waited for, what is there, and until when.

    :param verification: one that is pending.
    :param until: when the waiting ends.
    """
    waiting = [verdict.reason for _, verdict in verification.verdicts if verdict.state is not State.PASSED]
    passed = [name for name, verdict in verification.verdicts if verdict.state is State.PASSED]
    reason = " ".join(waiting) or verification.reason
    line = f"Waiting: {verification.summarize(reason)}"
    if passed:
        line += f"; passed: {', '.join(passed)}"
    return f"{line}; until {until}" if until else line


def settle(verification: Verification) -> dict[str, Any]:
    """Return what a wait hands on at its end: ``status``, ``digest``, ``reason`` and ``verdicts``.

    :param verification: what the last look has found.
    """
    is_error = verification.state is State.UNREADABLE
    return {
        "status": "error" if is_error else verification.state.value,
        "digest": verification.reference.digest,
        "reason": verification.reason,
        "verdicts": list_verdicts(verification),
    }


def describe_verdicts(verification: Verification) -> tuple[str, ...]:
    """Return the verdicts as short lines for a promotion's record: ``test.status: passed, since …, by …``.

    :param verification: the verification.
    """
    return tuple(describe_verdict({"check": name, **verdict.as_dict()}) for name, verdict in verification.verdicts)


def describe_verdict(verdict: Mapping[str, Any]) -> str:
    """Return a verdict as a short line.

    :param verdict: one of those that ``list_verdicts`` returns.
    """
    return printable(f"{verdict.get('check')}: {_describe_evidence(verdict)}")


def _describe_evidence(verdict: Mapping[str, Any]) -> str:
    parts = [str(verdict.get("value") or verdict.get("state"))]
    parts += [f"{word} {verdict[key]}" for word, key in (("since", "since"), ("by", "author")) if verdict.get(key)]
    return printable(", ".join(parts))


def list_verdicts(verification: Verification) -> list[dict[str, Any]]:
    """Return the verdicts as small JSON objects, each with the name of its check.

    :param verification: the verification.
    """
    told = verification.verdicts[:_MOST_VERDICTS]
    return [{"check": name, **verdict.as_dict()} for name, verdict in told]


async def write_verdicts(
    client: ArtifactoryClient, reference: ImageReference, verdicts: Sequence[Mapping[str, Any]], *, prefix: str
) -> None:
    """Write verdicts to properties of the manifest that they are about, so that people and the next stage see them.

    :param client: an open client.
    :param reference: repository, image and tag, pinned to the digest that has passed.
    :param verdicts: as ``list_verdicts`` returns them.
    :param prefix: the first part of the properties' names, ``<prefix>.<check>``.
    :raises SourceMoved: when the tag shows another digest.
    """
    check_property_name(prefix)
    descriptor = await pin(client, reference)
    for one in verdicts:
        # A request each: a property's value travels in a URL, where a character may take twelve.
        name = f"{prefix}.{_NO_NAME.sub('-', str(one['check']))}"
        await client.set_properties(manifest_path(reference, descriptor), {name: _describe_evidence(one)})
