"""What things are: nouns, states, errors and ports. Pure: standard library and pydantic, no I/O."""
