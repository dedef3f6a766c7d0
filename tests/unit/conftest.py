"""What all unit tests share."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """pulumi_aws warns of its own old names whenever it is imported; ours would be lost among them."""
    config.addinivalue_line("filterwarnings", "ignore::DeprecationWarning:pulumi_aws")
