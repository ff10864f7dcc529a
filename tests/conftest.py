"""What every test gets: one thread, no display, a fixed random stream; and a browser to ask for."""

import matplotlib
import pytest
import site_tools as site
import torch

matplotlib.use("Agg")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def browser():
    """Debian's (or any installed) Chromium, driven by playwright."""
    path = site.find_browser()
    if path is None:
        reason = f"no browser: install one of {', '.join(site.BROWSERS)} (make browser)"
        pytest.fail(reason) if site.in_ci() else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=site.ARGUMENTS)
        yield running
        running.close()
