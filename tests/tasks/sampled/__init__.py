"""Rows and small models for the conformance suite, a module a task that needs its own."""
