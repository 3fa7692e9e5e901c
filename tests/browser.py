"""A real browser for tests: Debian's Chromium without a screen, driven by Playwright; nothing is downloaded."""

import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needed = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


@contextmanager
def signed_in(url, user, password, **options):
    """Yield a page of a browser that gives this name and password when it is asked; errors of its scripts fail."""
    with sync_playwright() as playwright:
        # Containers run tests as root, under whom Chromium's own sandbox does not start.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            credentials = {"username": user, "password": password}
            context = browser.new_context(
                base_url=url,
                http_credentials=credentials,
                locale="en-GB",
                **{"viewport": {"width": 1280, "height": 900}} | options,
            )
            page = context.new_page()
            failures = []
            page.on("pageerror", lambda error: failures.append(str(error)))
            yield page
            assert failures == []
        finally:
            browser.close()
