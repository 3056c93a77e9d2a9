"""Suites that several implementations of one thing must pass."""
