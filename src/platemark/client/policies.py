"""Policies: written, tried in shadow, put in force, explained. The blocking class has its async twin below it."""

from dataclasses import dataclass

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.nouns import route
from platemark.client.wire import Server
from platemark.core.policy import Difference, Explanation
from platemark.core.resource import PolicyCheck, PolicyResource

# Inside the classes `list` is a method.
Explanations = list[Explanation]


def _create(server: Server, content: str, note: str | None, project: str | None) -> Steps[PolicyResource]:
    given = {"note": note, "project": project}
    body = {"content": content, **{field: value for field, value in given.items() if value is not None}}
    # Equal content is the same policy, so a repeat does no harm.
    return nouns.act(server, PolicyResource, "/v1/policies", body, repeatable=True)


def _act(server: Server, policy: str, verb: str) -> Steps[PolicyResource]:
    return nouns.act(server, PolicyResource, route("policies", policy, verb), repeatable=True)


def _diff(server: Server, a: str, b: str, replay: int, installation: bool) -> Steps[Difference]:
    body = {"a": a, "b": b, "replay": replay, "installation": installation}
    return nouns.act(server, Difference, "/v1/policies/diff", body, repeatable=True)


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies of the project.

    >>> made = client.policies.create(Path("policy.yaml").read_text(), note="asked for by the brand desk")
    >>> client.policies.activate(made.id)
    """

    _link: Blocking

    def list(self) -> list[PolicyResource]:
        """The project's policies, without their content; the installation's too for a key that manages projects."""
        return self._link.run(nouns.listing(self._link.server, PolicyResource, "/v1/policies"))

    def get(self, policy: str) -> PolicyResource:
        """One policy with its content. Raises NotFound."""
        return self._link.run(nouns.get(self._link.server, PolicyResource, route("policies", policy)))

    def create(self, content: str, *, note: str | None = None, project: str | None = None) -> PolicyResource:
        """Keep a bundle as a draft; equal content is the same policy. Raises InvalidRequest with all mistakes."""
        return self._link.run(_create(self._link.server, content, note, project))

    def shadow(self, policy: str) -> PolicyResource:
        """Have it asked beside what is in force, deciding nothing."""
        return self._link.run(_act(self._link.server, policy, "shadow"))

    def activate(self, policy: str) -> PolicyResource:
        """Put it in force in place of what is in force now."""
        return self._link.run(_act(self._link.server, policy, "activate"))

    def retire(self, policy: str) -> PolicyResource:
        """Take it out of force, or give a draft up."""
        return self._link.run(_act(self._link.server, policy, "retire"))

    def lint(self, content: str) -> PolicyCheck:
        """What is wrong with a bundle; nothing is kept."""
        return self._link.run(
            nouns.act(self._link.server, PolicyCheck, "/v1/policies/lint", {"content": content}, repeatable=True)
        )

    def diff(self, a: str, b: str, *, replay: int = 1000, installation: bool = False) -> Difference:
        """Which of the project's last verdicts would come out otherwise.

        `a`, `b`: `in_force`, `built_in`, an id, or the text of a bundle, which stands for the project's own policy, or
        with `installation` for the installation's.
        """
        return self._link.run(_diff(self._link.server, a, b, replay, installation))

    def shadow_report(self, policy: str, *, replay: int = 1000) -> Difference:
        """What a policy in shadow would have ruled otherwise."""
        return self._link.run(
            nouns.get(self._link.server, Difference, route("policies", policy, "shadow-report"), {"replay": replay})
        )

    def explain(self, id: str) -> Explanations:
        """Why: of a verdict, or of all verdicts on an image or generation."""
        return self._link.run(nouns.listing(self._link.server, Explanation, route("verdicts", id, "explain")))


@dataclass(frozen=True, slots=True)
class AsyncPolicies:
    """Policies of the project; see `Policies`."""

    _link: Async

    async def list(self) -> list[PolicyResource]:
        """The project's policies, without their content; the installation's too for a key that manages projects."""
        return await self._link.run(nouns.listing(self._link.server, PolicyResource, "/v1/policies"))

    async def get(self, policy: str) -> PolicyResource:
        """One policy with its content. Raises NotFound."""
        return await self._link.run(nouns.get(self._link.server, PolicyResource, route("policies", policy)))

    async def create(self, content: str, *, note: str | None = None, project: str | None = None) -> PolicyResource:
        """Keep a bundle as a draft; equal content is the same policy. Raises InvalidRequest with all mistakes."""
        return await self._link.run(_create(self._link.server, content, note, project))

    async def shadow(self, policy: str) -> PolicyResource:
        """Have it asked beside what is in force, deciding nothing."""
        return await self._link.run(_act(self._link.server, policy, "shadow"))

    async def activate(self, policy: str) -> PolicyResource:
        """Put it in force in place of what is in force now."""
        return await self._link.run(_act(self._link.server, policy, "activate"))

    async def retire(self, policy: str) -> PolicyResource:
        """Take it out of force, or give a draft up."""
        return await self._link.run(_act(self._link.server, policy, "retire"))

    async def lint(self, content: str) -> PolicyCheck:
        """What is wrong with a bundle; nothing is kept."""
        return await self._link.run(
            nouns.act(self._link.server, PolicyCheck, "/v1/policies/lint", {"content": content}, repeatable=True)
        )

    async def diff(self, a: str, b: str, *, replay: int = 1000, installation: bool = False) -> Difference:
        """Which of the project's last verdicts would come out otherwise.

        `a`, `b`: `in_force`, `built_in`, an id, or the text of a bundle, which stands for the project's own policy, or
        with `installation` for the installation's.
        """
        return await self._link.run(_diff(self._link.server, a, b, replay, installation))

    async def shadow_report(self, policy: str, *, replay: int = 1000) -> Difference:
        """What a policy in shadow would have ruled otherwise."""
        return await self._link.run(
            nouns.get(self._link.server, Difference, route("policies", policy, "shadow-report"), {"replay": replay})
        )

    async def explain(self, id: str) -> Explanations:
        """Why: of a verdict, or of all verdicts on an image or generation."""
        return await self._link.run(nouns.listing(self._link.server, Explanation, route("verdicts", id, "explain")))
