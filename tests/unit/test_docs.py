"""Pages that are made from code are current."""

import pytest

from tools import settings_docs


@pytest.mark.parametrize("name", settings_docs.PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    page = settings_docs.DOCS / name
    assert page.read_text() == settings_docs.PAGES[name](), f"docs/{name} is old; run: make settings-docs"
