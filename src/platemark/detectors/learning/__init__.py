"""How the origin classifier learns: `platemark detector train`, `evaluate`, `calibrate`. The server runs none of it."""
