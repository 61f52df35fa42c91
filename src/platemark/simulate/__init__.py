"""Providers that behave as told, for our tests and our users'."""
