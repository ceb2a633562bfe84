"""For tools that take a setup.py, as Beam does; everything stands in pyproject.toml."""

from setuptools import setup

setup()
