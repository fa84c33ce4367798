"""What a demo measured: one record, as a table for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from streamer.client import ClientError
from streamer.demo.stream import Streamed

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Report:
    """One run of the demo."""

    clip: str
    size: tuple[int, int]
    fps: float
    streamed: Streamed
    truth_iou: Mapping[int, float]
    """Track id -> mean IoU with the truth, where the clip has one."""

    @property
    def held(self) -> list[int]:
        """Frames that were dropped on the way and show the masks before them."""
        return [
            index for index in range(self.streamed.num_frames) if index not in self.streamed.masks
        ]

    def latency_ms(self) -> dict[str, float]:
        """Percentiles from the capture of a frame to its masks at the client."""
        values = 1000 * np.array(list(self.streamed.latencies_s.values()))
        return {f"p{p}": round(float(np.percentile(values, p)), 1) for p in PERCENTILES}

    def dropped(self) -> dict[str, int]:
        """Frames that went no further, by stage; `network` is what left here and never arrived."""
        stats, service = self._stats()
        return {
            "client": self.streamed.num_frames - stats.sent,
            "network": max(0, stats.sent - service["received"]),
            **service["dropped"],
        }

    def to_json(self) -> dict[str, Any]:
        """For out/summary.json."""
        stats, service = self._stats()
        streamed = self.streamed
        return {
            "clip": self.clip,
            "size": list(self.size),
            "fps": self.fps,
            "model": streamed.hello.model.model_dump(),
            "frames": self.streamed.num_frames,
            "sent": stats.sent,
            "processed": service["processed"],
            "dropped": self.dropped(),
            "mask_frames": stats.masks,
            "returned_pictures": stats.pictures,
            "encoder_calls": service["encoder_calls"],
            "processed_fps": round(self._processed_fps(), 2),
            "latency_ms": self.latency_ms(),
            "step_ms": service["step_ms"],
            "prompted_at": streamed.prompted_at,
            "prompts": streamed.prompted,
            "truth_iou": self.truth_iou,
            "held": self.held,
        }

    def to_table(self) -> Table:
        """For the terminal."""
        stats, service = self._stats()
        table = Table(title=f"{self.clip}  ·  {self.size[0]} x {self.size[1]} at {self.fps:g} fps")
        table.add_column("what", no_wrap=True)
        table.add_column("number", justify="right", no_wrap=True)
        table.add_column("dropped here, and notes", style="dim")
        for row in (*self._counts(stats.sent, service), *self._measures(service)):
            table.add_row(*row)
        return table

    def _counts(self, num_sent: int, service: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        dropped = self.dropped()
        return (
            ("frames of the clip", str(self.streamed.num_frames), ""),
            ("sent", str(num_sent), f"{dropped['client']} replaced by a newer one"),
            ("received by the service", str(service["received"]), f"{dropped['network']} lost"),
            (
                "processed",
                str(service["processed"]),
                f"{dropped['slot']} for a newer one, {dropped['stale']} stale",
            ),
            ("mask frames here", str(len(self.streamed.masks)), f"{dropped['masks']} not sent"),
            (
                "pictures back",
                str(self._stats()[0].pictures),
                f"{dropped['encode']} not encoded",
            ),
            ("encoder calls", str(service["encoder_calls"]), "one a frame from the first click on"),
        )

    def _measures(self, service: Mapping[str, Any]) -> Sequence[tuple[str, ...]]:
        latency, step = self.latency_ms(), service["step_ms"]
        rows = [
            ("capture to mask", f"{latency[name]:.1f} ms", name)
            for name in (f"p{p}" for p in PERCENTILES)
        ]
        if step["p50"] is not None:  # None: the clip's end was waited for so long
            rows.append(("model step", f"{step['p50']:.1f} ms", f"p50; p95 {step['p95']:.1f} ms"))
        rows.append(("speed", f"{self._processed_fps():.1f} fps", f"the clip has {self.fps:g}"))
        for track_id, outcome in self.streamed.prompted.items():
            place = f"on frame {self.streamed.prompted_at}"
            rows.append((f"click for track {track_id}", outcome, place))
        for track_id, iou in self.truth_iou.items():
            rows.append((f"track {track_id} against the truth", f"{iou:.3f}", "mean IoU"))
        return rows

    def _processed_fps(self) -> float:
        seconds = self.streamed.seconds
        return (len(self.streamed.masks) - 1) / seconds if seconds > 0 else 0.0

    def _stats(self) -> tuple[Any, dict[str, Any]]:
        """The client's numbers and the service's last."""
        stats = self.streamed.stats
        if stats is None or stats.service is None:
            raise ClientError("the service sent no statistics: the clip was too short")
        return stats, stats.service.model_dump()
