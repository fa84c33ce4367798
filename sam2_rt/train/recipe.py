"""Recipe: what is trained, on what, for how long. Plain values, no torch."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

LR: Final = 1e-3
"""Peak learning rate unless a stage says otherwise: what AdamW bears at nano's size."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of training with clips of one length."""

    num_frames: int
    clips: int
    """In a batch."""
    steps: int
    max_rows: int = 3
    """Objects of a clip that are learned at once."""
    lr: float = LR
    """Peak; warms up at the stage's start and falls to `final_share` of it along a cosine."""
    final_share: float = 0.3
    warmup: int = 100

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
    Stage(num_frames=2, clips=8, steps=1000, max_rows=3),
    Stage(num_frames=4, clips=5, steps=1500, max_rows=2),
    Stage(num_frames=8, clips=3, steps=1000, max_rows=2, lr=5e-4, final_share=0.02),
)
"""Images, then 2, 4 and 8 frames: nano from nothing."""


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
    max_norm: float = 1.0
    """Gradients are clipped to this length."""
    ema: float = 0.998
    """Share of the running mean of the weights that stays in each step."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the arithmetic; weights and their means stay float32."""
    device: str = "cpu"
    threads: int | None = None
    save_every_s: float = 60.0
    validate_every: int = 500
    """Steps."""
    stills: float = 0.3
    """Share of the steps that learn from still pictures while clips are learned from."""
    still_clips: int = 16
    """Pictures in a batch of those."""
    reuse: int = 4
    """Times that a sample is drawn."""
    workers: int = 1

    @property
    def num_steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    def at(self, step: int) -> tuple[int, Stage, int]:
        """Number of the stage of a step, the stage, and the step within it."""
        for number, stage in enumerate(self.stages):
            if step < stage.steps:
                return number, stage, step
            step -= stage.steps
        raise ValueError(f"step is {step} beyond the last of {self.num_steps}")
