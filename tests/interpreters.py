"""The supported versions of Python."""

VERSIONS = ("3.10", "3.11", "3.12", "3.13")
