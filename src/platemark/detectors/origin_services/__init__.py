"""Services of others that say how likely a picture is AI-made. Off unless the operator names them."""
