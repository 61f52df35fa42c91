"""The errors that Platemark raises, for those who catch them: `from platemark.errors import RateLimited`."""

from platemark.core.errors import *  # noqa: F403
