"""One service and one Prometheus for all tests that look at what is scraped."""

from collections.abc import Iterator

import httpx
import pytest
from observed import Scraped, prometheus, series_of, service


@pytest.fixture(scope="session")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    with service() as url:
        series = series_of(httpx.get(f"{url}/metrics").text)
        with prometheus(url.removeprefix("http://"), tmp_path_factory.mktemp("prometheus")) as seen:
            yield Scraped(url, seen, series)
