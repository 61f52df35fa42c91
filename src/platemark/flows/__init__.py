"""The verbs: the only code that coordinates ports. `generate.py` is the story; read it first."""
