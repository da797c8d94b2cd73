"""The JSON Schema of pipeline files, by which editors complete and check them while they are written.

It says what the file is made of; what has to fit together, the reader alone can tell.

python -m artifactory_provider.pipelines.schema > docs/pipeline.schema.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

from artifactory_provider.pipelines.check_sets import SET_NAME
from artifactory_provider.pipelines.notices import (
    ADDRESS,
    EVENTS,
    LONGEST_ADDRESS,
    LONGEST_CONNECTION,
    MOST_ADDRESSES,
)
from artifactory_provider.pipelines.reading import (
    LONGEST_LABEL,
    LONGEST_POOL,
    MODES,
    MOST_LABELS,
)
from artifactory_provider.pipelines.stages import BY_POLICY, MOST_STAGES, MOST_TAGS, ON_CONFLICT, STAGE_NAME
from artifactory_provider.pipelines.starts import LONGEST_ASSET, MOST_ASSETS, PRESETS, PUSHES
from artifactory_provider.pipelines.texts import LONGEST_MARKDOWN, LONGEST_TITLE
from artifactory_provider.policy.fields import LONGEST_TEXT, MOST_ITEMS
from artifactory_provider.policy.requirements import MOST_APPROVALS
from artifactory_provider.policy.windows import MOST_WINDOWS
from artifactory_provider.verification.check import find_kinds

Schema = dict[str, Any]

_DURATION = r"^(?=\d)(\d{1,6}w)?(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,6}s)?$"
_PRINTABLE = r"\S"


def make_schema() -> Schema:
    """Return the schema of a pipeline's file; that of the defaults is its definition ``defaults``."""
    shared = _shared_fields()
    pipeline = _object(
        "A pipeline: which images climb through which stages, and what starts it.",
        {
            "image": _text("The image, such as payments/api.", pattern=r"^[^*?\[]*$"),
            "images": _list(_text("A name, or a pattern such as payments/*."), "The images, by names and patterns."),
            "exclude": _list(_text("A name, or a pattern."), "Which of them are not meant, after all."),
            **shared,
            "change": {
                "type": "object",
                "description": "Fields of the defaults' stages that are others here, by the names of the stages.",
                "additionalProperties": {"$ref": "#/$defs/change"},
            },
        },
    )
    defaults = _object(
        "What holds for the pipelines of the folder that do not say it themselves.",
        {
            **shared,
            "checks": {
                "type": "object",
                "description": "Sets of checks that stages may ask for by their names.",
                "propertyNames": {"pattern": f"^{SET_NAME.pattern}$"},
                "additionalProperties": _list({"$ref": "#/$defs/check"}, "The checks of the set."),
            },
        },
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Promotion pipeline",
        **pipeline,
        "oneOf": [{"required": ["image"]}, {"required": ["images"]}],
        "not": {"required": ["stages", "change"]},
        "$defs": {
            "defaults": defaults,
            "stage": {**_object("A stage: one repository.", _stage_fields()), "required": ["repository"]},
            "change": {
                **_object("What is different in a stage.", _without(_stage_fields(), "name")),
                "minProperties": 1,
            },
            "check": _check(),
            "approvals": _approvals(),
            "windows": _windows(),
            "duration": _text("A span of time, such as 90m, 24h or 2d.", pattern=_DURATION),
        },
    }


def _shared_fields() -> Schema:
    return {
        "tag": _text(
            "Which tag: newest; a range such as '>=1.4 <2'; a pattern such as '*-alpine'; a tag, such as "
            "'nightly-{date:%Y%m%d}'; or triggering, for the one whose push has started the run."
        ),
        "stages": {
            "type": "array",
            "description": "The stages, from the first to the last.",
            "minItems": 2,
            "maxItems": MOST_STAGES,
            "items": {"$ref": "#/$defs/stage"},
        },
        "mode": _choice("chain: a task for each step of each image; fleet: one for all of them.", MODES),
        "start": {
            **_object("What starts it, beside people.", _start_fields()),
            "dependentRequired": {"timezone": ["nightly"]},
        },
        "title": _text("What people read.", longest=LONGEST_TITLE),
        "description": {**_text("Markdown for the DAG's page.", longest=LONGEST_MARKDOWN)},
        "owner": _text("Whose it is.", longest=LONGEST_TITLE),
        "labels": _list(_text("A tag of the DAG.", longest=LONGEST_LABEL), "The DAG's tags.", most=MOST_LABELS),
        "pool": _text("The pool that promotions run in.", longest=LONGEST_POOL),
        "connection": _text("The Airflow connection.", longest=LONGEST_CONNECTION),
        "look_every": {"$ref": "#/$defs/duration", "description": "Between two looks at what is waited for."},
        "supersede": {
            "type": "boolean",
            "description": "Whether an image that waits is given up once there is a newer tag that is meant.",
        },
        "notify": {**_object("Who is told what of its runs.", _notify_fields()), "required": ["connection"]},
    }


def _start_fields() -> Schema:
    presets = "|".join(PRESETS)
    return {
        "nightly": _text(
            "A cron expression.", pattern=rf"^\s*([^\s@]+\s+[^\s]+\s+[^\s]+\s+[^\s]+\s+[^\s]+|{presets})\s*$"
        ),
        "timezone": _text("Whose clock that is about, such as Europe/Berlin."),
        "after": _list(
            _text("An asset.", longest=LONGEST_ASSET), "The assets whose updates start it.", most=MOST_ASSETS
        ),
        "on_push": _choice("Whether each push starts it, and how it gets known.", PUSHES),
        "on_verdict": {"type": "boolean", "description": "Whether each verdict starts it."},
    }


def _notify_fields() -> Schema:
    return {
        "connection": _text("The Airflow connection of the receiver.", longest=LONGEST_CONNECTION),
        "on": _list({"enum": list(EVENTS)}, "What is told."),
        "to": _list(
            _text("An address.", longest=LONGEST_ADDRESS, pattern=ADDRESS.pattern),
            "Where mail goes.",
            most=MOST_ADDRESSES,
        ),
    }


def _stage_fields() -> Schema:
    tag = _text("What the tag becomes, such as '{version.major}.{version.minor}'.", longest=500)
    full_tag = {
        **_object("A tag with what happens at conflicts.", {"tag": tag, "on_conflict": _on_conflict()}),
        "required": ["tag"],
    }
    check_or_set = {"anyOf": [_text("The name of a set of checks."), {"$ref": "#/$defs/check"}]}
    return {
        "name": _text("What it is called; the repository's name by default.", pattern=f"^{STAGE_NAME.pattern}$"),
        "repository": _text("The repository key.", pattern=r"^[^/\s]+$"),
        "checks": {
            "description": "What has to be true of a digest here before it moves on.",
            "anyOf": [_text("The name of a set of checks."), _list(check_or_set, "Checks, and names of sets.")],
        },
        "timeout": {"$ref": "#/$defs/duration", "description": "How long an image may wait here."},
        "approvals": {"anyOf": [{"const": BY_POLICY}, {"$ref": "#/$defs/approvals"}]},
        "windows": {"$ref": "#/$defs/windows"},
        "tags": _list({"anyOf": [tag, full_tag]}, "What the tag becomes here.", most=MOST_TAGS),
        "on_conflict": _on_conflict(),
        "copy": {"type": "boolean", "description": "false moves the image out of the stage before."},
        "pending_repository": _text("The repository for pending tags.", pattern=r"^[^/\s]+$"),
    }


def _on_conflict() -> Schema:
    return _choice("What happens where a tag shows another digest.", ON_CONFLICT)


def _check() -> Schema:
    kinds = {"anyOf": [{"enum": list(find_kinds())}, {"type": "string", "pattern": ":"}]}
    return {
        "type": "object",
        "description": "A check, such as {property: test.status} or {soak: 24h}.",
        "oneOf": [
            {"required": ["kind"], "properties": {"kind": kinds}},
            {"not": {"required": ["kind"]}, "minProperties": 1, "maxProperties": 1, "propertyNames": kinds},
        ],
    }


def _approvals() -> Schema:
    names = _list(_text("A name."), "Who may approve.")
    return _object(
        "Who has to approve before images come here.",
        {
            "count": {"type": "integer", "minimum": 1, "maximum": MOST_APPROVALS},
            "from": names,
            "roles": names,
            "not_the_trigger": {"type": "boolean"},
            "valid_for": {"$ref": "#/$defs/duration"},
        },
    )


def _windows() -> Schema:
    recurring = {
        "type": "object",
        "properties": {
            "cron": _text("When each window begins."),
            "rrule": _text("A recurrence rule."),
            "start": _text("From when the rule counts."),
            "duration": {"$ref": "#/$defs/duration"},
        },
        "additionalProperties": False,
        "required": ["duration"],
        "oneOf": [{"required": ["cron"], "maxProperties": 2}, {"required": ["rrule", "start"], "maxProperties": 3}],
    }
    series = _list(
        {
            "anyOf": [_text("A window, such as 'Mon-Thu 09:00-16:00'."), recurring],
        },
        "Windows.",
        most=MOST_WINDOWS,
    )
    return {
        **_object(
            "When images may come here.",
            {"timezone": _text("The zone of the times."), "allow": series, "deny": series},
        ),
        "required": ["timezone"],
        "anyOf": [{"required": ["allow"]}, {"required": ["deny"]}],
    }


def _object(description: str, fields: Schema) -> Schema:
    return {"type": "object", "description": description, "properties": fields, "additionalProperties": False}


def _list(items: Schema, description: str, *, most: int = MOST_ITEMS) -> Schema:
    return {"type": "array", "description": description, "items": items, "minItems": 1, "maxItems": most}


def _text(description: str, *, longest: int = LONGEST_TEXT, pattern: str = _PRINTABLE) -> Schema:
    return {"type": "string", "description": description, "maxLength": longest, "pattern": pattern}


def _choice(description: str, choices: tuple[str, ...]) -> Schema:
    return {"enum": list(choices), "description": description}


def _without(fields: Schema, name: str) -> Schema:
    return {key: value for key, value in fields.items() if key != name}


def main() -> None:
    """Print the schema."""
    json.dump(make_schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
