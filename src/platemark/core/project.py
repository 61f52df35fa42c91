"""Projects, people, API keys, and what a caller may do."""

from typing import Literal, get_args

from platemark.core.base import Noun, Part, Timestamp
from platemark.core.errors import NotAllowed

Scope = Literal[
    "images:read",
    "images:write",
    "roles:assert",
    "reviews:decide",
    "audit:read",
    "keys:manage",
    "projects:manage",
    "policies:manage",
    "moderation:manage",
]
SCOPES: tuple[str, ...] = get_args(Scope)
DEFAULT_SCOPES: tuple[str, ...] = ("images:read", "images:write")
# Which checks run. `pass_through`: none but the header's: stored, recorded, and every check said to be off.
Profile = Literal["standard", "pass_through"]
Role = Literal["admin", "editor", "reviewer", "auditor"]
SYSTEM_PROJECT = "system"
# The most that a key of a person may do in a project, by the role that the person has there.
ROLE_SCOPES: dict[str, frozenset[str]] = {
    "admin": frozenset(SCOPES),
    "editor": frozenset({"images:read", "images:write"}),
    "reviewer": frozenset({"images:read", "reviews:decide"}),
    "auditor": frozenset({"images:read", "audit:read"}),
}
ROLES: tuple[str, ...] = get_args(Role)


class Project(Noun):
    """The tenant that owns keys, images, policies and budgets. `profile`: which checks its next generations get."""

    name: str
    profile: Profile = "standard"
    created_at: Timestamp
    disabled_at: Timestamp | None = None


class Person(Noun):
    """A human with roles in projects. `password_hash` is scrypt in PHC form, never shown; empty: no password.

    `roles`: the role (`admin`, `editor`, `reviewer`, `auditor`) in each project, by the project's id.
    """

    name: str
    password_hash: str
    roles: dict[str, str]
    created_at: Timestamp
    disabled_at: Timestamp | None = None


class ApiKey(Noun):
    """A credential of a project. `secret_sha256` is of a 256-bit random secret, so one hash is enough."""

    project: str
    person: str | None = None
    name: str
    secret_sha256: str
    hint: str
    scopes: tuple[str, ...]
    created_at: Timestamp
    expires_at: Timestamp | None = None
    revoked_at: Timestamp | None = None
    replaced_by: str | None = None


class Principal(Part):
    """Who is calling: resolved from a key for the time of one request."""

    project: str
    key: str
    person: str | None = None
    scopes: frozenset[str]

    @property
    def actor(self) -> str:
        """Who answers for what is done: the person that the key belongs to, or the key itself."""
        return self.person or self.key

    def require(self, scope: Scope) -> None:
        """Raise NotAllowed unless the key has `scope`."""
        if scope not in self.scopes:
            raise NotAllowed(f"This key lacks the scope {scope!r}. Use a key that has it, or ask an administrator.")
