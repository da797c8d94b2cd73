"""`POST …/v2/promote`: JSON in, one line of text out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from artifactory_sandbox.api.calls import call_of, read_limited
from artifactory_sandbox.errors import Refusal
from artifactory_sandbox.names import Place, is_image, is_loose_tag, is_tag
from artifactory_sandbox.promotion import Promotion, promote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from artifactory_sandbox.config import Switches

_TEXTS = ("targetRepo", "dockerRepository", "targetDockerRepository", "tag", "targetTag")
_DONE = "Promotion ended successfully"


async def promote_image(request: Request) -> Response:
    """Promote as JFrog's REST documentation describes it ("Promote Docker Image")."""
    call = call_of(request)
    config = call.service.config
    promotion = parse_promotion(request.path_params["repository"], await read_limited(request), config.switches)
    for key in (promotion.source.repository, promotion.target.repository):
        repository = config.repositories.get(key)
        if repository is not None and repository.is_docker and repository.is_writable:
            continue
        if repository is not None and repository.is_docker and config.switches.silent_promotion:
            return PlainTextResponse(_DONE)
        raise Refusal(400, f"Unsupported V2 repository request for '{key[:300]}'")
    await call.service.database.write(lambda tx: promote(tx, promotion, service=call.service, user=call.user))
    return PlainTextResponse(_DONE)


def parse_promotion(repository: str, body: bytes, switches: Switches) -> Promotion:
    """Read the body of a promote request, as tolerant as its many clients need it.

    Absent, null and empty mean the same; booleans may be strings; unknown fields are ignored.

    :param repository: the source repository, from the path.
    :param body: the JSON text.
    :param switches: how strict the Artifactory that is imitated is with target tags.
    :raises Refusal: 400, saying which field is wrong.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"The request body is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise Refusal(400, "The request body is not a JSON object.")
    target_repository, image, target_image, tag, target_tag = (_text(fields, name) for name in _TEXTS)
    if not target_repository or not image:
        missing = "dockerRepository" if target_repository else "targetRepo"
        raise Refusal(400, f"The field '{missing}' is mandatory for a promotion.")
    if target_tag and not tag:
        raise Refusal(400, "The field 'targetTag' needs the field 'tag'.")
    if target_tag and not (is_tag if switches.strict_target_tags else is_loose_tag)(target_tag):
        raise Refusal(400, f"Invalid target tag '{target_tag[:300]}'.")
    source, target = Place(repository, image), Place(target_repository, target_image or image)
    if not is_image(target.image):
        raise Refusal(400, f"Invalid target docker repository '{target.image[:300]}'.")
    promotion = Promotion(source, target, tag, target_tag or tag, _copy(fields))
    if source == target and promotion.tag == promotion.target_tag:
        raise Refusal(400, "The source and the target of the promotion are the same.")
    return promotion


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str | None):
        raise Refusal(400, f"The field '{name}' is not a text.")
    return value or None


def _copy(fields: Mapping[str, object]) -> bool:
    value = fields.get("copy")
    if value is None or isinstance(value, str):
        value = {"true": True, "false": False, "": False}.get((value or "").lower())
    if not isinstance(value, bool):
        raise Refusal(400, "The field 'copy' is neither true nor false.")
    return value


ROUTES = [Route("/api/docker/{repository}/v2/promote", promote_image, methods=["POST"])]
