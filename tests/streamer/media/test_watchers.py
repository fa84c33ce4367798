"""The mask of a session as a video of its own."""

import numpy as np
from fake_viewer import eventually
from shown import show
from watching import SDP, watching


async def test_the_mask_is_watched_beside_the_video_and_by_itself():
    async with (
        show() as there,
        watching(there.http, f"{there.path}?track=mask") as (mask, answer),
    ):
        assert answer.status_code == 201
        there.viewer.click(seq=1, track_id=1)

        def is_cut_out() -> bool:
            if not mask.pictures:
                return False
            rgb = mask.pictures[-1].to_ndarray(format="rgb24").astype(int)
            return bool((rgb[48, 64] > 230).all() and (rgb[4, 4] < 25).all())

        await eventually(is_cut_out)
        rgb = mask.pictures[-1].to_ndarray(format="rgb24").astype(int)
        assert np.ptp(rgb, axis=2).max() < 8, "grey"
        (stay,) = there.served.service._sessions.values()
        assert (stay.watchers.wants_masks, stay.watchers.wants_pictures) == (True, False)
        async with watching(there.http, there.path) as (video, _):
            await eventually(lambda: video.pictures)
            both = video.pictures[-1].to_ndarray(format="rgb24").astype(int)
            assert np.ptp(both[48, 64]) > 30, "painted, not grey"


async def test_the_mask_is_black_while_there_is_no_object_and_when_only_masks_are_taken():
    async with show() as there:
        there.viewer.tell(type="configure", seq=1, output="masks")
        async with watching(there.http, f"{there.path}?track=mask") as (mask, _):
            await eventually(lambda: mask.pictures)
            assert mask.pictures[-1].to_ndarray(format="gray").max() < 25


async def test_another_track_is_refused():
    async with show() as there:
        refused = await there.http.post(f"{there.path}?track=depth", content="v=0", headers=SDP)
        assert refused.status_code == 400
        assert "not one of video, mask" in refused.json()["detail"]
        assert there.count("watchers") == 0
