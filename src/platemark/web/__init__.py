"""The HTTP API. `app.py` puts it together, `v1/` holds the routes, `server.py` runs it."""
