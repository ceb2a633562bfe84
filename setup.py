"""For tools that need a setup.py, such as Beam. All metadata is in pyproject.toml."""

from setuptools import setup

setup()
