"""Four eyes: when a second person has to look, and how it is said that there was none."""

from platemark.core.ports import Reading
from platemark.core.project import Person

# Stands in the event of an act that a second person would have had to confirm.
SINGLE_OPERATOR = "single_operator"


async def several(read: Reading, project: str) -> bool:
    """True once two people work in the project: from then on nobody confirms what they did themselves."""
    people = [person for person in await read.all(Person) if person.disabled_at is None and project in person.roles]
    return len(people) >= 2
