"""Arguments of operators and sensors: which are known at parse time, which were given at all, which make no sense."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from artifactory_provider.artifactory.references import check_digest, check_image, check_repository, check_tag
from artifactory_provider.promotion.errors import InvalidPromotion
from artifactory_provider.promotion.request import check_attachments, check_on_conflict, check_replaces
from artifactory_provider.tasks.forms import as_bool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow.sdk import BaseOperator


class _Default(Enum):
    NOT_GIVEN = "not given"


NOT_GIVEN: Any = _Default.NOT_GIVEN
"""The default of an argument for which None may be the empty result of another task."""

_WITHOUT = {
    "tag": "no tag would mean all tags",
    "digest": "no digest would mean whatever the tag shows now",
}


def is_literal(value: Any) -> bool:
    """Return whether an argument is a plain value, neither a template nor another task's result.

    Numbers, booleans and dates are plain, too: YAML makes them of unquoted tags.
    """
    if isinstance(value, str):
        return not any(mark in value for mark in ("{{", "{%", "{#"))
    return isinstance(value, int | float | bytes | datetime.date)


def is_known(value: Any) -> bool:
    """Return whether a value holds neither templates nor other tasks' results, so that it can be checked now.

    :param value: a text, number, None, or a list or mapping of them.
    """
    if isinstance(value, Mapping):
        return all(map(is_known, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_known, value))
    return value is None or is_literal(value)


def is_mapped(task: BaseOperator) -> bool:
    """Return whether a task is one instance of a mapped one, so that other tasks have made what it gets.

    The DAG keeps the mapped task itself in its instances' place. One that a mapped task group repeats is none.

    :param task: the task, after the constructor of ``BaseOperator``.
    """
    dag = task.get_dag()
    return dag is not None and dag.has_task(task.task_id) and bool(dag.get_task(task.task_id).is_mapped)


def check_literal(value: Any, check: Callable[[Any], object]) -> None:
    """Check an argument that is a plain value now; one that is known only when the task runs is left to then.

    :param value: the argument.
    :param check: what raises when the text is not good.
    """
    if is_literal(value):
        check(value)


def check_literals(task: object, names: Iterable[str]) -> None:
    """Check those arguments of a task that are plain values now, each for what its name promises.

    :param task: the task, with its arguments as attributes.
    :param names: the names of its arguments; those that can be anything are passed over.
    :raises InvalidReference: when a repository key, image, tag or digest is malformed.
    :raises InvalidPromotion: when another argument makes no sense.
    """
    for name in names:
        if name in _CHECKS:
            check_literal(getattr(task, name), _CHECKS[name])


def find_given(task: BaseOperator, **values: Any) -> frozenset[str]:
    """Return the names of the arguments that were given, whatever they will be when the task runs.

    None counts as left out, except in a mapped task: there it may be the empty result of another one.

    :param task: the task.
    :param values: name → value, as the task was given it; ``NOT_GIVEN`` was left out for certain.
    """
    given = {name: value for name, value in values.items() if value is not NOT_GIVEN}
    return frozenset(name for name, value in given.items() if value is not None or is_mapped(task))


def check_present(task: object, names: Iterable[str]) -> None:
    """Refuse arguments that were asked for and came empty, before they mean that they were left out.

    :param task: the task that runs, with its arguments as attributes.
    :param names: the names of those that were asked for.
    :raises InvalidPromotion: naming the first that is empty.
    """
    for name in sorted(names):
        if not getattr(task, name):
            raise InvalidPromotion(
                f"A {name} was asked for, but its value is empty, and {_WITHOUT[name]}: nothing was sent. Check that "
                f"the task that should hand it on ran, and that it returned a {name}; where none is wanted, leave "
                f"{name} out."
            )


_CHECKS: dict[str, Callable[[Any], object]] = {
    "repository": check_repository,
    "source_repository": check_repository,
    "target_repository": check_repository,
    "pending_repository": check_repository,
    "image": check_image,
    "target_image": check_image,
    "tag": check_tag,
    "target_tag": check_tag,
    "digest": check_digest,
    "copy": as_bool,
    "on_conflict": check_on_conflict,
    "replaces": check_replaces,
    "attachments": check_attachments,
}
