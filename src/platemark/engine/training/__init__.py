"""How `local/pocket` is made: our own pictures and captions, the training of every part, its score and its export."""
