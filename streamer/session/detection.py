"""Detection: a detector's box, in the words of YOLO and ROS: centre and size, perhaps in pixels."""

from typing import Annotated, Literal

from pydantic import Field

from sam2_rt.tracking.prompt import Prompt, PromptError
from streamer.message import Message, ProtocolError, RtpTimestamp, Seq, TrackId

_Side = Annotated[int, Field(ge=1)]


class DetectionMessage(Message):
    """Begins a track at a box, or corrects the one that is named."""

    type: Literal["detection"] = "detection"
    seq: Seq
    box: tuple[float, float, float, float]
    """Centre x, centre y, width, height."""
    size: tuple[_Side, _Side] | None = None
    """Width and height of the picture in whose pixels the box is; None: it is in 0..1 of it."""
    track_id: TrackId | None = None
    """None: a new track, whose id the answer tells."""
    rtp_timestamp: RtpTimestamp | None = None
    """Of the frame that was looked at; None: the newest."""

    def to_prompt(self, track_id: int) -> Prompt:
        """The prompt, cut to the picture. Raises ProtocolError `bad_prompt`."""
        x, y, width, height = self.box
        across, down = self.size or (1, 1)
        box = (
            max(0.0, (x - width / 2) / across),
            max(0.0, (y - height / 2) / down),
            min(1.0, (x + width / 2) / across),
            min(1.0, (y + height / 2) / down),
        )
        try:
            return Prompt(track_id, box=box)
        except PromptError as error:
            raise ProtocolError("bad_prompt", str(error), self.seq) from error
