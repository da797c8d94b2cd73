"""The commands ``policy check``, ``policy show`` and ``policy set``."""

from __future__ import annotations

import datetime
import sys
from typing import TYPE_CHECKING

from artifactory_provider.artifactory.references import ImageReference
from artifactory_provider.cli.decide import order_rows
from artifactory_provider.cli.output import count, is_for_programs, printed, say, show
from artifactory_provider.cli.running import DONE, FAILED, author, command
from artifactory_provider.cli.validate import problem_rows, read_input
from artifactory_provider.hooks.artifactory import ArtifactoryHook
from artifactory_provider.policy import InvalidPolicy, read_policy, read_stop
from artifactory_provider.promotion.errors import RulesUnreadable
from artifactory_provider.tasks.forms import as_moment
from artifactory_provider.tasks.variables import read_variable, write_variable

if TYPE_CHECKING:
    from argparse import Namespace

    from artifactory_provider.policy import Policy


@command(changes=False)
def check(args: Namespace) -> int:
    """Check a policy document, and show what it says of targets."""
    text, name = read_input(args.file)
    try:
        policy = read_policy(text, name=name)
    except InvalidPolicy as error:
        show(problem_rows(error, name), args.output)
        say(f"{count(len(error.problems), 'error')}: this is no policy.")
        return FAILED
    _explain(policy, args)
    say(f"{printed(name)} is a policy of {count(len(policy.rules), 'rule')}.")
    return DONE


@command(changes=False)
def show_policy(args: Namespace) -> int:
    """Show the policy that holds, or what it says of targets, and the orders to stop."""
    hook = ArtifactoryHook(args.conn_id)
    name, stops, code = hook.policy_variable, hook.stop_variable, DONE
    text = read_variable(name)
    if text is not None and not args.target:
        print((printed(text) if sys.stdout.isatty() else text).rstrip(), flush=True)
    try:
        policy = hook.rules().policy
    except (InvalidPolicy, RulesUnreadable) as error:
        say(f"{printed(str(error))}\nNothing is promoted over {printed(args.conn_id)} until that is mended.")
        code = FAILED
    else:
        if policy is None:
            say(f"There is no policy: no Variable {name}.")
        elif args.target:
            _explain(policy, args)
    standing = read_stop(read_variable(stops) or "", name=stops)
    for row in order_rows(standing.orders):
        until = row["until"] or "it is lifted"
        say(printed(f"Stopped until {until}: {row['repositories']}, by {row['by']}: {row['reason']}"))
    return code


@command(changes=True)
def set_policy(args: Namespace) -> int:
    """Set the policy, if it is one: it holds from the next task on."""
    text, source = read_input(args.file)
    policy, said = read_policy(text, name=source), text.decode()
    name = ArtifactoryHook(args.conn_id).policy_variable
    write_variable(name, said, description=f"The policy of promotions. Set by {author(args)}.")
    if read_variable(name) != said:
        say(
            f"The Variable {name} was set, and shows another text: a secrets backend or the environment comes first, "
            "or somebody else has set it since. See what holds now: airflow artifactory policy show"
        )
        return FAILED
    say(f"{name} has {count(len(policy.rules), 'rule')} now.")
    return DONE


def _explain(policy: Policy, args: Namespace) -> None:
    at = as_moment(args.at, name="at") or datetime.datetime.now(datetime.UTC)
    rows = [
        {"target": str(target), "rule": line}
        for target in map(ImageReference.parse, args.target or ())
        for line in policy.explain(target, origin=args.origin, at=at)
    ]
    if args.target or is_for_programs(args.output):
        show(rows, args.output)
