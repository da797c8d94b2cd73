"""How a hook asks this Airflow's policy and stops, as its connection names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from artifactory_provider.hooks.base import ServerHook
from artifactory_provider.hooks.connections import DEFAULT_CONNECTION, rules_of
from artifactory_provider.hooks.seals import sealing_key
from artifactory_provider.policy import DEFAULT_POLICY_NAME, DEFAULT_STOP_NAME
from artifactory_provider.tasks.rules import VariableRules, find_starter
from artifactory_provider.tasks.variables import read_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from artifactory_provider.hooks.connections import RuleNames
    from artifactory_provider.policy.rules import Rule


class RulesHook(ServerHook):
    """Know the rules that hold for promotions over a connection.

    :param artifactory_conn_id: the connection.
    :param method: the HTTP method of ``run``.
    :param rules: rules that hold for what is promoted beside those of the policy, as those of a pipeline's stages.
    """

    def __init__(
        self, artifactory_conn_id: str = DEFAULT_CONNECTION, *, method: str = "GET", rules: Sequence[Rule] = ()
    ) -> None:
        super().__init__(artifactory_conn_id, method=method)
        self._further = tuple(rules)
        self._rules: VariableRules | None = None

    def rules(self, *, read: Callable[[str], str | None] = read_variable) -> VariableRules:
        """Return what this Airflow's policy and stops say of promotions over the connection; the policy is read once.

        :param read: returns a Variable's text, or None where there is no such one.
        :raises InvalidPolicy: when the policy is none, or the connection names one that is not there.
        :raises RulesUnreadable: when it cannot be read now.
        """
        if self._rules is None:
            names = self._rule_names()
            self._rules = VariableRules.read(
                policy_variable=names.policy,
                stop_variable=names.stop,
                starter=find_starter(),
                key=self.sealing_key,
                read=read,
            ).with_rules(self._further)
        return self._rules

    def sealing_key(self) -> bytes:
        """Return the key that seals what people answer about promotions over the connection, for asking and promoting.

        :raises InvalidSettings: when the connection that it is made of has no password.
        """
        return sealing_key(self._rule_names().seal or self.artifactory_conn_id)

    @property
    def stop_variable(self) -> str:
        """The Airflow Variable that holds the orders to stop promotions over the connection."""
        return self._rule_names().stop or DEFAULT_STOP_NAME

    @property
    def policy_variable(self) -> str:
        """The Airflow Variable that holds the policy of promotions over the connection."""
        return self._rule_names().policy or DEFAULT_POLICY_NAME

    def _rule_names(self) -> RuleNames:
        return rules_of(self.get_connection(self.artifactory_conn_id).extra_dejson)
