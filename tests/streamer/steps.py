"""Steps of an engine, as those get them who send masks."""

import numpy as np

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult, TrackMask, TrackState
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt
from streamer.masks.mask_feed import Stepped
from streamer.session.viewer import Arrival


class Noisy(FakeEngine):
    """Six tracks of noise, which no codec makes small."""

    def _step(self, request: StepRequest) -> StepResult | Exception:
        result = super()._step(request)
        random = np.random.default_rng(result.index)
        size = request.frame.planes[0].shape
        logits = np.zeros((4, 4), np.float32)
        masks = tuple(
            TrackMask(n + 1, TrackState.VISIBLE, 1.0, 1.0, random.random(size) > 0.5, logits)
            for n in range(6)
        )
        return StepResult(result.index, result.pts, masks, (), (), (), result.encoder_calls)


def steps(count: int) -> list[Stepped]:
    """Of one stream, with two discs from the first on."""
    engine = FakeEngine()
    stream_id = engine.open()
    made = []
    for pts in range(count):
        planes = tuple(np.zeros(size, np.uint8) for size in ((96, 128), (48, 64), (48, 64)))
        frame = Frame(pts, planes)
        prompts = tuple(Prompt(n, points=(Point(0.3 * n, 0.5),)) for n in (1, 2))
        (result,) = engine.step([StepRequest(stream_id, frame, prompts if pts == 0 else ())])
        made.append(Stepped(Arrival(frame, 1000 + pts, 0.0), result, None))
    return made
