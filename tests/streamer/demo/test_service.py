from pathlib import Path

import httpx
import pytest

from streamer.demo.service import ServiceError, running_service


async def status(url: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"{url}/readyz")).status_code


async def test_it_is_ready_inside_and_gone_after_even_when_the_body_fails(tmp_path: Path):
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 (the fault is inside)
        async with running_service(["--image-size", "128"], tmp_path / "log") as url:
            assert await status(url) == 200
            raise ZeroDivisionError
    with pytest.raises(httpx.ConnectError):
        await status(url)


async def test_a_service_that_does_not_start_says_why_and_where_to_read_on(tmp_path: Path):
    log = tmp_path / "service.log"
    with pytest.raises(ServiceError, match=r"did not start: .*no-such-model.*service\.log"):
        async with running_service(["--model", "no-such-model"], log):
            raise AssertionError("it started")
