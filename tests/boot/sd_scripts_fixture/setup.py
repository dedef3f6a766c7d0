"""As sd-scripts' own: its library is installed from its folder."""

from setuptools import setup

setup(name="library", packages=["library"])
