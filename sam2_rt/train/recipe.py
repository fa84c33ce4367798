"""Recipe: what is trained, on what, for how long. Plain values, no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sam2_rt.train.saving import SAVE_EVERY_S

LR: Final = 1e-3
"""Peak learning rate unless a stage says otherwise: what AdamW bears at nano's size."""
FINE_LR: Final = 1e-5
"""Where weights are given: SAM 2's own fine-tuning has 5e-6, in batches of 8 clips."""
CUTS: Final = 0.12
"""Share of made-up clips that are cut away from."""
LAST_SHARE: Final = 0.02
"""Of the rate, at the end of the last stage."""
MAX_WARMUP: Final = 100
"""Steps; a short stage warms up in a tenth of its own."""
MANY_ROWS: Final = 3
FEW_ROWS: Final = 2
"""Objects of a clip that are learned at once: of up to 2 frames, and of longer ones."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training with clips of one length."""

    num_frames: int
    clips: int
    """In a batch."""
    steps: int
    max_rows: int = MANY_ROWS
    """Objects of a clip that are learned at once."""
    lr: float = LR
    """Peak; warms up at the stage's start and falls to `final_share` of it along a cosine."""
    final_share: float = 0.3
    warmup: int = MAX_WARMUP

    @property
    def holds_norms(self) -> bool:
        """Whether batch statistics are left alone: a few long clips are no fair sample of them."""
        return self.num_frames > 2

    def lr_at(self, step: int) -> float:
        """Learning rate in step 0, 1, ..., steps - 1 of the stage."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        progress = (step - self.warmup) / max(self.steps - self.warmup, 1)
        cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1)))
        return self.lr * (self.final_share + (1 - self.final_share) * cosine)


NANO_STAGES = (
    Stage(num_frames=1, clips=16, steps=4000),
    Stage(num_frames=2, clips=8, steps=1000),
    Stage(num_frames=4, clips=5, steps=1500, max_rows=FEW_ROWS),
    Stage(8, clips=3, steps=1000, max_rows=FEW_ROWS, lr=5e-4, final_share=LAST_SHARE),
)
"""Images, then 2, 4 and 8 frames: nano from nothing."""
FINE_STAGES = (Stage(8, clips=1, steps=2000, lr=FINE_LR, final_share=0.1),)
"""An official model with its weights."""

_FREE: Final = {
    "device",
    "compiles",
    "threads",
    "workers",
    "save_every_s",
    "validate_every",
    "keeps_weights",
}
"""What changes nothing of what is learned."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a run, besides the data."""

    model: str = "nano"
    init: Path | None = None
    """Weights to begin from; None: random ones, or the zoo's own for an official model."""
    image_size: int | None = None
    stages: tuple[Stage, ...] = NANO_STAGES
    seed: int = 0
    weight_decay: float = 0.05
    trunk_lr_share: float = 1.0
    """Learning rate of the trunk, of the others'; 0 freezes it."""
    layer_decay: float = 1.0
    """Per stage of the trunk, deep to shallow."""
    lr_shares: tuple[tuple[str, float], ...] = ()
    """Of parts by their names in the checkpoint, as memory_attention or image_encoder.neck: what
    their learning rate is multiplied with, 0 freezes. Of several that fit, the longest name."""
    max_norm: float = 1.0
    """Gradients are clipped to this length."""
    ema: float = 0.998
    """Share of the running mean of the weights that stays in each step."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the arithmetic; weights and their means stay float32."""
    device: str = "cpu"
    compiles: bool = False
    """The model's parts are compiled, some minutes at the start: for GPUs; a CPU gains little."""
    threads: int | None = None
    save_every_s: float = SAVE_EVERY_S
    """A killed run loses this much, and the step that it was in; after a long step it is saved."""
    validate_every: int = 500
    """Steps."""
    keeps_weights: bool = False
    """Also those of each validation, for a curve of what is evaluated on them."""
    stills: float = 0.3
    """Share of the steps that learn from still pictures while clips are learned from."""
    still_clips: int = 16
    """Pictures in a batch of those."""
    reuse: int = 4
    """Times that a sample is drawn."""
    cuts: float = CUTS
    """Share of the clips that are cut away from for some frames; 0 where they are of few videos."""
    workers: int = 1

    def told(self) -> dict[str, str]:
        """What decides what is learned, in words that a state file can hold."""
        return {name: str(getattr(self, name)) for name in self.__slots__ if name not in _FREE}

    def differences(self, earlier: Mapping[str, str]) -> tuple[str, ...]:
        """What is not as told earlier: `seed: 0 -> 1`."""
        own = self.told()
        return tuple(
            f"{name}: {value} -> {own[name]}"
            for name, value in earlier.items()
            if name in own and own[name] != value
        )

    @property
    def num_steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def longest_clip(self) -> int:
        """Frames; at least the two of a clip to validate on."""
        return max(2, *(stage.num_frames for stage in self.stages))

    def at(self, step: int) -> tuple[int, Stage, int]:
        """Number of the stage of a step, the stage, and the step within it."""
        for number, stage in enumerate(self.stages):
            if step < stage.steps:
                return number, stage, step
            step -= stage.steps
        raise ValueError(f"step is {step} beyond the last of {self.num_steps}")
