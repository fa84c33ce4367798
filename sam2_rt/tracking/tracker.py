"""Tracker: all tracks of one stream. One step a frame: encode once, prompt, propagate, memorise."""

from collections.abc import Iterable, Sequence
from contextlib import closing

import torch

from sam2_rt.model.sam2 import SAM2, Embedding
from sam2_rt.tracking.batch import encode, look
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.kept_frame import KeptFrame, Seen
from sam2_rt.tracking.listener import Listener
from sam2_rt.tracking.memory_pool import MemoryPool
from sam2_rt.tracking.prompt import Prompt, Undo
from sam2_rt.tracking.question import reply
from sam2_rt.tracking.stream_state import NotFinite
from sam2_rt.tracking.track import Prediction
from sam2_rt.tracking.tracker_config import TrackerConfig

__all__ = ["NotFinite", "Tracker", "TrackerConfig"]


class Tracker(Listener):
    """All tracks of one stream. It steps alone, or many of them at once (tick.py)."""

    def __init__(
        self,
        model: SAM2 | Calls,
        config: TrackerConfig | None = None,
        pool: MemoryPool | None = None,
    ) -> None:
        """Without a pool that it shares with other streams it has one of its own."""
        self._calls = model if isinstance(model, Calls) else Calls(model)
        self.model = self._calls.model
        self.encoder_calls = 0
        config, device = config or TrackerConfig(), self.model.no_obj_ptr.device
        shape = self.model.config, config.max_tracks, config.max_conditioning
        super().__init__(config, pool or MemoryPool(*shape, device))

    @torch.inference_mode()
    def step(self, frame: Frame, prompts: Sequence[Prompt | Undo] = ()) -> list[Prediction]:
        """Follows every track into one more frame; predictions come in order of track_id.

        Raises NotFinite.
        """
        newest = self.begin(frame)
        self._encode(self.unencoded(newest, prompts))
        self.keep(newest)
        answered = self.apply(prompts)
        search = self.search(newest, self.tracks.keys() - answered.keys())
        [found] = look(self._calls, [search])
        return self.settle(search, found, answered)

    def begin(self, frame: Frame, *, is_again: bool = False) -> KeptFrame:
        """A frame that is about to be the newest, with room made for it.

        One that is the newest already, and was kept and encoded, is not encoded again.
        """
        before = self._kept.newest if is_again and len(self._kept) else None
        self._kept.make_room()
        is_known = before is not None and before.is_encoded and before.pts == frame.pts
        content = before.content if before is not None and is_known else frame
        return KeptFrame(self.num_frames, frame.pts, content)

    def unencoded(
        self, newest: KeptFrame, prompts: Iterable[Prompt | Undo]
    ) -> tuple[KeptFrame, ...]:
        """What has to be encoded, each once: nothing that no track and no prompt asks for.

        The newest frame, and older ones that prompts mean and nothing was asked of before.
        """
        said = [p for p in prompts if isinstance(p, Prompt) and (self._knows(p) or p.can_begin)]
        if not said and not self.tracks:
            return ()
        meant = (self._kept.at(prompt.pts) for prompt in said if prompt.pts is not None)
        wanted = (newest, *(kept for kept in meant if kept is not None))
        return tuple(kept for kept in dict.fromkeys(wanted) if not kept.is_encoded)

    def take(self, kept: Sequence[KeptFrame], embeddings: Sequence[Embedding]) -> None:
        """Frames were encoded."""
        for one, embedding in zip(kept, embeddings, strict=True):
            one.take(embedding)
        self.encoder_calls += len(kept)

    def keep(self, newest: KeptFrame) -> KeptFrame:
        """From now on a frame is the newest."""
        newest.own()
        self.num_frames += 1
        return self._kept.add(newest)

    def apply(self, prompts: Iterable[Prompt | Undo]) -> dict[int, Seen]:
        """What talk() says, by this tracker alone."""
        prompts = tuple(prompts)
        self._encode(self.unencoded(self._kept.newest, prompts))
        with closing(self.talk(prompts)) as talk:
            try:
                asked = next(talk)
                while True:
                    asked = talk.send(reply(self._calls, asked))
            except StopIteration as end:
                answered: dict[int, Seen] = end.value
                return answered

    def _encode(self, kept: Sequence[KeptFrame]) -> None:
        if kept:
            self.take(kept, encode(self._calls, [one.picture for one in kept]))
