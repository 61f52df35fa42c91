"""`python -m platemark` is the command line."""

import sys

from platemark.cli import main

sys.exit(main())
