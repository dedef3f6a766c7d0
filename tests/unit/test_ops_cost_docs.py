"""docs/costs.md is current."""

from tools import cost_docs


def test_the_page_of_costs_is_current() -> None:
    assert cost_docs.PAGE.read_text() == cost_docs.page(), "docs/costs.md is old; run: make cost-docs"
