import asyncio
import time

import pytest

from streamer.session.term import Term


def test_a_term_becomes_shorter_and_never_longer():
    term = Term(100)
    own_s = term.until_s
    for other_s, expected_s in ((None, own_s), (own_s + 5, own_s), (own_s - 5, own_s - 5)):
        term.lower(other_s)
        assert term.until_s == expected_s
    term.lower(own_s)
    assert term.until_s == own_s - 5


def test_a_term_without_an_end_takes_over_that_of_the_session_before():
    term = Term(None)
    assert term.left_s == float("inf")
    term.lower(time.time() - 1)
    assert term.left_s < 0
    assert term.words == "the time of this session is over"


@pytest.mark.parametrize("seconds", [0.0, 0.02])
async def test_a_term_comes_to_its_end_and_not_before(seconds: float):
    term = Term(seconds)
    async with asyncio.timeout(15):
        await term.over()
    assert term.left_s <= 0
    assert term.words == f"{seconds:g} s of this session are over"


async def test_a_term_without_an_end_is_waited_for_in_vain():
    waiting = asyncio.create_task(Term(None).over())
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
