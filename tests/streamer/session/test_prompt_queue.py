import pytest

from sam2_rt.tracking.prompt import Point, Prompt
from streamer.protocol import MAX_PROMPTS_WAITING, ProtocolError
from streamer.session.prompt_queue import Asked, GivenUp, PromptQueue


def asked(seq: int, track_id: int = 1) -> Asked:
    return Asked(seq, Prompt(track_id, points=(Point(0.5, 0.5),)), None)


def test_prompts_come_out_in_the_order_they_came():
    queue = PromptQueue()
    for seq in range(3):
        queue.put(asked(seq))
    assert [item.seq for item in queue.take()[1]] == [0, 1, 2]
    assert queue.take() == ([], [])


def test_a_removal_behind_a_prompt_waits_for_the_next_step():
    queue = PromptQueue()
    given_up = [GivenUp(0, 1), GivenUp(2, 1)]
    for item in (given_up[0], asked(1), given_up[1], asked(3)):
        queue.put(item)
    assert queue.take() == ([given_up[0]], [asked(1)])
    assert queue.take() == ([given_up[1]], [asked(3)])


def test_a_full_queue_answers_busy_and_forgets_nothing():
    queue = PromptQueue()
    for seq in range(MAX_PROMPTS_WAITING):
        queue.put(asked(seq))
    with pytest.raises(ProtocolError) as caught:
        queue.put(asked(99))
    assert (caught.value.code, caught.value.seq) == ("busy", 99)
    assert len(queue.take()[1]) == MAX_PROMPTS_WAITING


def test_all_are_put_or_none():
    queue = PromptQueue()
    queue.put(asked(0))
    with pytest.raises(ProtocolError):
        queue.put_all([asked(seq) for seq in range(1, MAX_PROMPTS_WAITING + 1)])
    assert [item.seq for item in queue.take()[1]] == [0]


def test_what_is_withdrawn_leaves_room_and_others_stay():
    queue = PromptQueue()
    mine = [asked(seq) for seq in range(MAX_PROMPTS_WAITING - 1)]
    queue.put(asked(99))
    queue.put_all(mine)
    queue.withdraw(mine)
    queue.put(asked(100))
    assert [item.seq for item in queue.take()[1]] == [99, 100]
