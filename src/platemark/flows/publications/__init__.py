"""Publications beyond the gate: the files of a release, their ways to targets, and what is said of them in public."""
