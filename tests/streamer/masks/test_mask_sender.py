import json
import time

from fake_viewer import FakeViewer, eventually
from loopback import OtherSide
from served import serving
from session_stage import stage
from steps import Noisy

from streamer.masks import mask_frame
from streamer.masks.mask_budget import MESSAGE_BYTES, RATE_BYTES_PER_S


async def test_masks_that_would_cost_too_much_are_made_to_cost_less():
    async with stage(Noisy()) as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        await eventually(lambda: here.engine.streams)
        began_s = time.monotonic()
        for pts in range(40):
            viewer.feed(pts, height=90, width=160)
            await eventually(lambda: here.engine.streams[1].index == pts)  # noqa: B023
        await eventually(
            lambda: (
                len(viewer.masks) + (here.count("frames_dropped_total", reason="masks") or 0) == 40
            )
        )
        allowed = 2 * MESSAGE_BYTES + RATE_BYTES_PER_S * (time.monotonic() - began_s)
        assert sum(map(len, viewer.masks)) <= allowed
        assert max(map(len, viewer.masks)) <= MESSAGE_BYTES
        assert all(mask_frame.decode(message).is_overloaded for message in viewer.masks)
        viewer.leave()
        await running


async def test_masks_come_as_text_to_who_asks_for_it():
    async with serving() as served:
        other = OtherSide()
        texts: list[str] = []
        other.channel.remove_all_listeners("message")
        other.channel.on("message", texts.append)
        await other.connect(served.url)
        await eventually(lambda: texts)
        assert isinstance(texts[0], bytes)
        other.tell(type="masks", seq=5, form="coco")
        other.click()
        await eventually(lambda: texts and isinstance(texts[-1], str))
        await eventually(lambda: json.loads(texts[-1])["objects"])
        assert 5 in [m["seq"] for m in other.said if m["type"] == "ack"]
        (item,) = json.loads(texts[-1])["objects"]
        assert (item["track_id"], item["state"]) == (1, "visible")
        other.tell(type="masks", seq=6, form="binary")
        await eventually(lambda: isinstance(texts[-1], bytes))
        await other.close()
