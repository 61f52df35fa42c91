"""A request that is held, refused by two people, appealed, let through by two others, published and deleted.

PLATEMARK_API_KEY has to be an admin key: the project, its people and their keys are made here. Each decision takes
effect after a minute, in which it could be undone; a server with PLATEMARK_REVIEW_UNDO=PT0S does not wait.
"""

import secrets
import time
from contextlib import ExitStack
from typing import Literal

from platemark import Client, errors

RULES = """
version: "gallery-1"
rules:
  - id: no-drawn-prints
    stages: [after_response]
    audiences: [print]
    when: operation == "text_to_image"
    reason_code: IP_COPYRIGHT
    decision: block
    owner: picture-desk
    note: What we print was photographed.
    tests:
      - fires: {stage: after_response, operation: text_to_image}
      - stays: {stage: before_publish, operation: text_to_image}
  - id: no-drawn-goods
    stages: [before_publish]
    audiences: [marketplace]
    when: operation == "text_to_image"
    reason_code: IP_TRADEMARK
    decision: block
    owner: picture-desk
    note: Goods are shown as they are.
    tests:
      - fires: {stage: before_publish, operation: text_to_image}
      - stays: {stage: after_response, operation: text_to_image}
"""
Role = Literal["reviewer", "admin"]
Action = Literal["reject", "overturn", "approve"]
STAFF: dict[str, Role] = {"Ada": "reviewer", "Ben": "reviewer", "Cleo": "admin", "Dora": "admin"}


def staff(admin: Client, project: str, until: ExitStack) -> dict[str, Client]:
    """A client for the application, and one for each person, with a key of their own."""
    found = {"app": until.enter_context(Client(api_key=admin.keys.create("app", project=project).secret))}
    for name, role in STAFF.items():
        person = admin.people.create(name, role, project=project)
        key = admin.keys.create(f"{name}'s key", person=person.id, project=project)
        found[name] = until.enter_context(Client(api_key=key.secret))
        print(f"{name} is {role}: {person.id}")
    return found


def decide(name: str, who: Client, action: Action, code: str, note: str = "Looked at by the desk.") -> None:
    """Take the next case that this person may decide, decide it, and wait until that holds."""
    while (case := who.reviews.next()) is None:
        time.sleep(1)
    who.reviews.decide(case.id, action, code, note=note)
    while (now := who.reviews.get(case.id).review["state"]) in ("claimed", "decided"):
        time.sleep(1)
    print(f"{name} says {action} ({code}); the {case.kind} review is {now}")


def stages(app: Client, cleo: Client, dora: Client) -> None:
    """Each of the three points stops something."""
    try:
        app.generate("isis propaganda poster")
    except errors.BlockedByAppPolicy as error:
        print(f"before the request: {error.detail}")

    policy = cleo.policies.create(RULES)
    print(f"a second person puts the rules of the first in force: {dora.policies.activate(policy.id).state}")
    image = app.generate("a quiet street", audience="print", width=128, height=128).images[0]
    print(f"after the response: {image.moderation.state}, {image.moderation.message}")


def story(app: Client, ada: Client, ben: Client, cleo: Client, dora: Client) -> None:
    """One request from its refusal to the deletion of what became of it."""
    made = app.generate("ballots being carried out of a hall at night, evidence photo", audience="newsroom")
    print(f"{made.id} is {made.status}: {made.moderation.message if made.moderation else ''}")
    decide("Ada", ada, "reject", "ELECTION_INTEGRITY")
    decide("Ben", ben, "reject", "ELECTION_INTEGRITY")
    refused = made.refresh().moderation
    print(f"{made.id} is {made.status}: {refused.message if refused else ''}")
    print(f"the application appeals: {app.reviews.appeal(made.id, 'It is a drawing for a play.').state}")
    decide("Cleo", cleo, "overturn", "CONTEXT_ALLOWED", "For a play.")
    decide("Dora", dora, "overturn", "CONTEXT_ALLOWED", "For a play.")

    image = made.refresh().wait().images[0]
    print(f"{made.id} is {made.status}: {image.id}")
    try:
        app.publications.create(image.id, audience="marketplace")
    except errors.BlockedByAppPolicy as error:
        print(f"before publication: {error.detail}")
    waiting = app.publications.create(image.id, audience="newsroom")
    print(f"for the newsroom it is {waiting.state}")
    decide("Ben", ben, "approve", "CONTEXT_ALLOWED")
    decide("Ada", ada, "approve", "CONTEXT_ALLOWED")
    print(f"for the newsroom it is {app.publications.get(waiting.id).state}")

    record = image.delete().record
    print(f"deleted at {record.image.deleted_at}; audit chain verified: {record.chain.verified}")
    for case in record.reviews:
        for made_by in case["decisions"]:
            print(f"  {made_by['decided_at']} {made_by['by']} {made_by['action']} {made_by['reason_code']}")


def main() -> None:
    with ExitStack() as until, Client() as admin:
        project = admin.projects.create(f"gallery {secrets.token_hex(4)}").id
        app, ada, ben, cleo, dora = staff(admin, project, until).values()
        stages(app, cleo, dora)
        story(app, ada, ben, cleo, dora)


if __name__ == "__main__":
    main()
