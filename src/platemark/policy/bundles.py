"""Policies as people write them, opened and looked over: the adapter behind the port `Bundles`."""

from collections import OrderedDict
from datetime import date
from threading import Lock

from platemark.core.policy import Problem
from platemark.policy.builtin import DEFAULT_TEXT, open_policy
from platemark.policy.bundle import Bundle
from platemark.policy.lattice import LatticePolicy
from platemark.policy.lint import lint
from platemark.yamlfile import read_yaml

_KEPT = 64


class YamlBundles:
    """Implements `core.ports.Bundles`. Opened policies are kept, those used last the longest."""

    def __init__(self) -> None:
        self._opened: OrderedDict[tuple[str, bool], LatticePolicy] = OrderedDict()
        self._lock = Lock()

    def built_in(self) -> str:
        """The text of the bundle that ships with Platemark."""
        return DEFAULT_TEXT

    def digest(self, text: str) -> str:
        """The content address of a bundle. Raises Misconfigured with line and field."""
        open_policy(text, where="bundle")
        return read_yaml(text, Bundle, where="bundle").digest

    def open(self, text: str, version: str, *, whole: bool) -> LatticePolicy:
        """The policy of a bundle under the id that it is kept under. Raises Misconfigured with line and field."""
        key = version, whole
        with self._lock:
            if key in self._opened:
                self._opened.move_to_end(key)
                return self._opened[key]
        opened = open_policy(text, where=version, version=version, whole=whole)
        with self._lock:
            self._opened[key] = opened
            while len(self._opened) > _KEPT:
                self._opened.popitem(last=False)
        return opened

    def lint(self, text: str, today: date) -> tuple[Problem, ...]:
        """What is wrong with a bundle, its own tests among it."""
        return lint(text, today=today)
