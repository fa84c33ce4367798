"""The same model as Meta's own package `sam2` has it: to compare with, and no more.

`sam2` is a test dependency, so it is imported when a peer is built and not before.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from sam2_rt.model.config import PATCH_STRIDE, ModelConfig, TrunkConfig

if TYPE_CHECKING:
    from sam2.sam2_video_predictor import SAM2VideoPredictor

WIDTHS: Final = (256, 64, 2048)
"""Of features, memories and feed-forward layers: fixed in its code."""
LONG: Final = 1_000_000
"""Frames of a live stream, as its predictor wants to know the length of a video."""


def build_peer(
    config: ModelConfig, state_dict: Mapping[str, Tensor], *, is_compiled: bool = False
) -> "SAM2VideoPredictor":
    """A video predictor of the config's sizes with the weights, by official name, in eval mode.

    is_compiled: its `vos_optimized` one, which wants a GPU and minutes on its first frames.
    Raises ImportError without the package; RuntimeError, torch's own, when the weights do not fit;
    ValueError as overrides().
    """
    words = overrides(config)
    from sam2.build_sam import build_sam2_video_predictor  # noqa: PLC0415 - a test dependency

    folder = "sam2" if config.version == "2.0" else "sam2.1"
    peer = build_sam2_video_predictor(
        f"configs/{folder}/{folder}_hiera_t.yaml",
        device="cpu",
        hydra_overrides_extra=words,
        apply_postprocessing=False,  # it fills holes by a CUDA kernel of its own
        vos_optimized=is_compiled,
    )
    peer.load_state_dict(state_dict, strict=True)
    return peer


def overrides(config: ModelConfig) -> list[str]:
    """How the config differs from the tiny model, in Hydra's words.

    Raises ValueError for a model that the package cannot hold.
    """
    trunk = config.trunk
    widths = config.dim, config.memory_dim, config.feedforward_dim
    if widths != WIDTHS or not isinstance(trunk, TrunkConfig):
        numbers = [f"{a}, {b} and {c}" for a, b, c in (WIDTHS, widths)]
        raise ValueError(
            f"sam2 has no such model: its trunk is Hiera and its dimensions are {numbers[0]}, "
            f"not {numbers[1]}"
        )
    hiera, attention = "model.image_encoder.trunk", "model.memory_attention"
    rotary = {f"{attention}.layer.{name}_attention": [config.grid] * 2 for name in _ATTENTIONS}
    values: dict[str, object] = {
        f"{hiera}.embed_dim": trunk.embed_dim,
        f"{hiera}.num_heads": trunk.num_heads,
        f"{hiera}.stages": list(trunk.stages),
        f"{hiera}.global_att_blocks": list(trunk.global_blocks),
        f"{hiera}.window_spec": list(trunk.windows),
        f"{hiera}.window_pos_embed_bkg_spatial_size": [trunk.background_size] * 2,
        "model.image_encoder.neck.backbone_channel_list": list(trunk.channels[::-1]),
        f"{attention}.num_layers": config.memory_layers,
        **{f"{name}.feat_sizes": side for name, side in rotary.items()},
        "model.image_size": config.image_size,
        # What its apply_postprocessing sets beside the holes.
        "model.binarize_mask_from_pts_for_mem_enc": "true",
        f"{_DECODER}.dynamic_multimask_via_stability": str(config.falls_back).lower(),
        f"{_DECODER}.dynamic_multimask_stability_delta": 0.05,
        f"{_DECODER}.dynamic_multimask_stability_thresh": 0.98,
    }
    return [f"++{name}={value}" for name, value in values.items()]


_ATTENTIONS: Final = ("self", "cross")
_DECODER: Final = "model.sam_mask_decoder_extra_args"


class PeerTracker:
    """Steps a video predictor frame by frame, given our pixels in place of a file."""

    def __init__(
        self,
        peer: "SAM2VideoPredictor",
        clicks: Sequence[tuple[float, float]],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """One track a click, (x, y) in 0..1 of the first frame.

        Other types than float32 are autocast's, as the package's own examples have it.
        """
        self._peer = peer
        self._clicks = clicks
        self._dtype = dtype
        self._frames = _Newest()
        self._masks: Iterator[tuple[int, list[int], Tensor]] | None = None

    @torch.inference_mode()
    def step(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [1, 3, S, S] -> mask logits [tracks, 4g, 4g]"""
        self._frames.pixels = pixels[0]
        with torch.autocast(pixels.device.type, self._dtype, enabled=self._is_cast):
            if self._masks is None:
                self._masks = self._begin()
            *_, masks = next(self._masks)
        return masks[:, 0]

    @property
    def _is_cast(self) -> bool:
        return self._dtype != torch.float32

    def _begin(self) -> Iterator[tuple[int, list[int], Tensor]]:
        """Says the clicks on the first frame; what is returned gives a frame's masks a time."""
        with _in_place_of_files():
            state = self._peer.init_state(self._frames)
        for track_id, click in enumerate(self._clicks, start=1):
            self._peer.add_new_points_or_box(
                state, 0, track_id, points=[click], labels=[1], normalize_coords=False
            )
        return self._peer.propagate_in_video(state)


class _Newest:
    """A video of which only the newest frame is there, whatever its number."""

    pixels: Tensor

    def __len__(self) -> int:
        return LONG

    def __getitem__(self, index: int) -> Tensor:
        return self.pixels


@contextmanager
def _in_place_of_files() -> Iterator[None]:
    """Lets the predictor take our frames for a video that it loaded, and show no progress.

    The video is said to be as large as the masks that it decodes: it enlarges them otherwise, which
    nobody here asks for.
    """
    from sam2 import sam2_video_predictor as module  # noqa: PLC0415 - a test dependency

    def take(video_path: _Newest, image_size: int, **_: object) -> tuple[_Newest, int, int]:
        side = image_size // PATCH_STRIDE
        return video_path, side, side

    load, module.load_video_frames = module.load_video_frames, take
    if not isinstance(module.tqdm, partial):
        module.tqdm = partial(module.tqdm, disable=True)
    try:
        yield
    finally:
        module.load_video_frames = load
