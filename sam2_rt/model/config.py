"""The sizes of the model: the fields in which checkpoints differ. All else is a constant."""

from dataclasses import dataclass, replace
from typing import Final, Literal

PATCH_STRIDE: Final = 4
FEATURE_STRIDE: Final = 16
NUM_RECENT: Final = 6
"""Recent memories that a track attends to (num_maskmem - 1 in the paper's code)."""
MAX_POINTERS: Final = 16
"""Length of the pointer span; a stream has no last frame, so it never shrinks with a clip."""
NUM_MULTIMASK: Final = 3
PIXEL_MEAN: Final = (0.485, 0.456, 0.406)
PIXEL_STD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class TrunkConfig:
    """Hiera: the six fields in which the official trunks differ."""

    embed_dim: int
    num_heads: int
    """At the first stage; doubles with each stage, as the channels do."""
    stages: tuple[int, int, int, int]
    """Blocks a stage."""
    global_blocks: tuple[int, ...]
    """Blocks that attend to the whole frame; the others attend within windows."""
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    """Window side, in tokens, a stage."""
    background_size: int = 7
    """Side of the coarse position embedding under the windowed one."""

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels a stage, shallow to deep."""
        c = self.embed_dim
        return (c, 2 * c, 4 * c, 8 * c)


@dataclass(frozen=True, slots=True)
class ConvTrunkConfig:
    """Residual convolutions: what nano has in place of Hiera."""

    channels: tuple[int, int, int, int]
    """A stage, shallow to deep."""
    stages: tuple[int, int, int, int]
    """Residual blocks a stage."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A whole model. Official ones differ in trunk and version; nano in everything here."""

    trunk: TrunkConfig | ConvTrunkConfig
    version: Literal["2.0", "2.1"] = "2.1"
    """2.1 adds temporal positions of pointers and an embedding of absence to memories."""
    image_size: int = 1024
    """Side of the square input in pixels, divisible by 32."""
    dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 4
    feedforward_dim: int = 2048
    """Of memory attention and of the two-way decoder."""
    attention_dim: int | None = None
    """Width within memory attention; None: dim."""
    attention_heads: int = 1
    """Of memory attention."""
    rotary_share: float = 1.0
    """Of each head's channels that turn with the place; the others compare appearance alone."""
    prompt_maps: bool = False
    """Clicks and boxes are also drawn as maps; without, a decoder needs far longer to learn."""
    mixing_blocks: int = 0
    """Convolution blocks on the stride-16 map before the two-way decoder."""
    plain_blocks: bool = False
    """Two 3x3 convolutions a block, as matrix units like it, in place of ConvNeXt's."""
    falls_back: bool = True
    """An unstable answer to a clear prompt gives way to the best of the ambiguous three."""
    mask_stride: Literal[1, 4] = 1
    """Of the mask that a memory is made of, in pixels of the input."""

    def __post_init__(self) -> None:
        if self.image_size < 32 or self.image_size % 32:
            raise ValueError(f"image size {self.image_size} is not a positive multiple of 32")
        if (self.attention_dim or self.dim) % (8 * self.attention_heads):
            raise ValueError(f"{self.attention_heads} heads do not share the attention's width")
        if self.dim % self.memory_dim or self.dim % 16:
            raise ValueError(f"dim {self.dim} does not split into {self.memory_dim} and into heads")

    @property
    def grid(self) -> int:
        """Side of the stride-16 feature map."""
        return self.image_size // FEATURE_STRIDE

    @property
    def rotary_dim(self) -> int:
        """Channels of each head of memory attention that turn with the place."""
        head_dim = (self.attention_dim or self.dim) // self.attention_heads
        return round(head_dim * self.rotary_share) // 4 * 4

    def at(self, image_size: int | None) -> "ModelConfig":
        """The same model for another input size; None keeps it."""
        return self if image_size is None else replace(self, image_size=image_size)


TINY: Final = TrunkConfig(96, 1, (1, 2, 7, 2), (5, 7, 9))
SMALL: Final = TrunkConfig(96, 1, (1, 2, 11, 2), (7, 10, 13))
BASE_PLUS: Final = TrunkConfig(112, 2, (2, 3, 16, 3), (12, 16, 20), background_size=14)
LARGE: Final = TrunkConfig(144, 2, (2, 6, 36, 4), (23, 33, 43), windows=(8, 4, 16, 8))

NANO: Final = ModelConfig(
    ConvTrunkConfig(channels=(32, 64, 128, 256), stages=(1, 2, 4, 1)),
    image_size=320,
    dim=128,
    memory_dim=64,
    memory_layers=2,
    feedforward_dim=256,
    attention_dim=64,
    attention_heads=2,
    rotary_share=0.5,
    prompt_maps=True,
    mixing_blocks=2,
    plain_blocks=True,
    falls_back=False,
    mask_stride=4,
)
"""Small enough for real time on two CPU cores, and learned here: see weights/nano.md."""
