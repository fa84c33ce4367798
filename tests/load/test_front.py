import asyncio
import time

import httpx
import pytest
from pods import pods

from load.front import front_of


async def test_a_door_leads_to_the_first_pod_that_listens_and_notes_offers():
    async with pods(1) as (pod,):
        port = int(pod.url.rpartition(":")[2])
        async with front_of([9, port]) as front, httpx.AsyncClient(trust_env=False) as http:
            before_s = time.monotonic()
            assert (await http.get(f"{front.url}/livez")).status_code == 200
            assert not front.offers_at_s
            refused = await http.post(f"{front.url}/offer", json={})
            assert refused.status_code == 400
            (offered_s,) = front.offers_at_s
            assert before_s <= offered_s <= time.monotonic()


async def test_behind_it_may_be_nobody():
    async with front_of([9]) as front, httpx.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx.TransportError):
            await http.get(front.url)


async def test_its_end_is_the_end_of_all_connections():
    async with pods(1) as (pod,):
        async with front_of([int(pod.url.rpartition(":")[2])]) as front:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(front.url[17:]))
        assert await asyncio.wait_for(reader.read(), 15) == b""
        writer.close()
        await writer.wait_closed()
