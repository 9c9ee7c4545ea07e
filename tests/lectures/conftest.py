"""The slides need the packages of the extra "tutorials"."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _packages():
    for name in ("latex2mathml", "markdown_it", "mdit_py_plugins", "pygments"):
        pytest.importorskip(name, reason="needs minifcn[tutorials]")
