"""Refusals for people: in the words of the form that asked, and without a traceback."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from artifactory_provider.promotion.errors import InvalidPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow.sdk import BaseOperator

_VERBS = "is|are|has|needs"


class PlanRefused(InvalidPlan, SystemExit):
    """A task's end for a reason that its log has said.

    Airflow writes a traceback into the log for every exception but ``SystemExit``. As an ``InvalidPlan`` it is not
    tried again.

    :param reason: why, for what looks at the task's exception.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.code = 1


def form_titles(task: BaseOperator, names: Iterable[str]) -> dict[str, str]:
    """Return what the form of a task's DAG calls its fields: name → title, where a field has one.

    :param task: the task.
    :param names: the names of the fields, which are those of the task's arguments.
    """
    dag = task.get_dag()
    if dag is None:
        return {}
    schemas = {name: dag.params.get_param(name).schema for name in names if name in dag.params}
    return {name: str(schema["title"]) for name, schema in schemas.items() if schema.get("title")}


def in_form_words(message: str, titles: Mapping[str, str]) -> str:
    """Return a message with the form's titles where it names arguments: “Most promotions” for ``largest``.

    An argument is named where it has a value (``largest=72``), where a sentence begins with it (``images is a list``),
    and where it can be no other word (``created_from``).

    :param message: the message.
    :param titles: name → title.
    """
    if not titles:
        return message
    names = "|".join(map(re.escape, titles))
    compounds = "|".join(re.escape(name) for name in titles if "_" in name) or "(?!)"
    named = re.compile(
        rf"\b(?P<valued>{names})=(?=\S)|(?:^|(?<=[.:] ))(?P<first>{names})(?= (?:{_VERBS}) )"
        rf"|(?<![\w'])(?P<compound>{compounds})(?![\w'])"
    )

    def title(found: re.Match[str]) -> str:
        name = str(found["valued"] or found["first"] or found["compound"])
        return f"“{titles[name]}”{' = ' if found['valued'] else ''}"

    return named.sub(title, message)
