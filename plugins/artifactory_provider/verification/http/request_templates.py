"""Templates of requests: fields in braces, each quoted for where it stands. There is nothing else to learn."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from artifactory_provider.artifactory.manifests import OCI_MANIFEST, Descriptor
from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.verification.evidence import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FIELDS = ("repository", "image", "tag", "digest")
SUBJECTS = "subjects"
_FIELD = re.compile(r"\{([A-Za-z_]+)\}")
_DIGEST = f"sha256:{'0' * 64}"
_SAMPLE = Subject(ImageReference("docker-dev", "payments/api", "1.4.2", _DIGEST), Descriptor(_DIGEST, OCI_MANIFEST))


def fields_of(template: str) -> set[str]:
    """Return the names of the fields in a template.

    :param template: of an endpoint or a body.
    """
    return set(_FIELD.findall(template))


def fill_endpoint(template: str, subject: Subject | None) -> str:
    """Return path and query with the fields percent-encoded, a slash in an image's name too.

    :param template: such as ``results/{digest}``.
    :param subject: what the fields are of; None where there is none.
    """
    return _fill(template, {} if subject is None else _describe(subject), lambda value: quote(value, safe=""))


def fill_body(template: str, subjects: Sequence[Subject]) -> str:
    """Return a JSON text with the fields of one subject in it, or with the list of all.

    :param template: JSON, in whose strings ``{image}`` and the like stand, or ``{subjects}`` in a value's place.
    :param subjects: one, or all of them.
    """
    if SUBJECTS in fields_of(template):
        listed = json.dumps([_describe(subject) for subject in subjects])
        return _fill(template, {SUBJECTS: listed}, str)
    return _fill(template, _describe(subjects[0]), lambda value: json.dumps(value)[1:-1])


def check_endpoint(template: object, allowed: Sequence[str]) -> None:
    """Make sure that a template makes endpoints.

    :param template: what was given.
    :param allowed: the fields that it may have.
    :raises ValueError: when it does not.
    """
    if not isinstance(template, str):
        raise ValueError(f"endpoint is a text, such as 'results/{{digest}}', not {template!r:.60}.")
    _check_fields("endpoint", template, allowed)
    filled = fill_endpoint(template, _SAMPLE)
    path = filled.partition("?")[0]
    is_plain = filled.isascii() and filled.isprintable() and not set(" #\\{}") & set(filled)
    parts = urlsplit(filled)
    if not is_plain or parts.scheme or parts.netloc or {".", ".."} & set(path.split("/")):
        raise ValueError(
            f"endpoint {template!r:.200} is no path below the URL of the connection, such as 'results/{{digest}}'."
        )


def check_body(template: object, allowed: Sequence[str]) -> None:
    """Make sure that a template makes JSON.

    :param template: what was given.
    :param allowed: the fields that it may have.
    :raises ValueError: when it does not.
    """
    if not isinstance(template, str):
        raise ValueError(f'body is JSON as a text, such as \'{{"digest": "{{digest}}"}}\', not {template!r:.60}.')
    _check_fields("body", template, allowed)
    try:
        json.loads(fill_body(template, [_SAMPLE]))
    except (ValueError, RecursionError):
        raise ValueError(
            f"body {template!r:.200} makes no JSON: {{digest}} and the like stand within quotes, {{subjects}} does not."
        ) from None


def _check_fields(what: str, template: str, allowed: Sequence[str]) -> None:
    unknown = fields_of(template) - set(allowed)
    if unknown:
        may = ", ".join(f"{{{name}}}" for name in allowed) or "none"
        raise ValueError(f"{what} has the field {{{min(unknown)}}} that it cannot have here: it may have {may}.")


def _describe(subject: Subject) -> dict[str, str]:
    reference = subject.reference
    return {
        "repository": reference.repository,
        "image": reference.image,
        "tag": reference.tag or "",
        "digest": subject.digest,
    }


def _fill(template: str, fields: Mapping[str, str], quoted: Callable[[str], str]) -> str:
    return _FIELD.sub(lambda found: quoted(fields[found[1]]) if found[1] in fields else found[0], template)
