"""The same model as `transformers` has it: an independent SAM 2 to compare with, and no more.

`transformers` is a test dependency, so it is imported when a peer is built and not before.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sam2_rt.model.checkpoint import to_transformers
from sam2_rt.model.config import MAX_POINTERS, NUM_RECENT, PATCH_STRIDE, ModelConfig, TrunkConfig

if TYPE_CHECKING:
    from transformers import Sam2VideoConfig, Sam2VideoModel


def build_peer(config: ModelConfig, state_dict: Mapping[str, Tensor]) -> "Sam2VideoModel":
    """A Sam2VideoModel of the config's sizes with the weights, by official name, in eval mode.

    Raises RuntimeError, torch's own, when the weights do not fit; ValueError as peer_config().
    """
    from transformers import Sam2VideoModel  # noqa: PLC0415 - a test dependency

    peer = Sam2VideoModel(peer_config(config))
    peer.load_state_dict(to_transformers(state_dict), strict=True)
    peer.train(mode=False)
    return peer


def peer_config(config: ModelConfig) -> "Sam2VideoConfig":
    """The config in `transformers`' words.

    Raises ValueError for a model that it cannot hold: its code fixes two dimensions, 256 and 64.
    """
    trunk, dim = config.trunk, config.dim
    if (dim, config.memory_dim) != (256, 64) or not isinstance(trunk, TrunkConfig):
        raise ValueError(
            "transformers has no such model: its trunk is Hiera and its dimensions are 256 and 64, "
            f"not {dim} and {config.memory_dim}"
        )
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig  # noqa: PLC0415

    side = [config.image_size, config.image_size]
    backbone = Sam2HieraDetConfig(
        hidden_size=trunk.embed_dim,
        num_attention_heads=trunk.num_heads,
        image_size=side,
        window_positional_embedding_background_size=[trunk.background_size] * 2,
        blocks_per_stage=list(trunk.stages),
        embed_dim_per_stage=list(trunk.channels),
        num_attention_heads_per_stage=[trunk.num_heads * 2**stage for stage in range(4)],
        window_size_per_stage=list(trunk.windows),
        global_attention_blocks=list(trunk.global_blocks),
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=list(trunk.channels[::-1]),
        backbone_feature_sizes=[
            [n // (PATCH_STRIDE * 2**level) for n in side] for level in range(3)
        ],
        fpn_hidden_size=dim,
    )
    is_latest = config.version == "2.1"
    return Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": dim, "image_size": config.image_size},
        mask_decoder_config={
            "hidden_size": dim,
            "mlp_dim": config.feedforward_dim,
            "iou_head_hidden_dim": dim,
        },
        image_size=config.image_size,
        num_maskmem=NUM_RECENT + 1,
        enable_occlusion_spatial_embedding=is_latest,
        enable_temporal_pos_encoding_for_object_pointers=is_latest,
        max_object_pointers_in_encoder=MAX_POINTERS,
        memory_attention_hidden_size=dim,
        memory_attention_num_layers=config.memory_layers,
        memory_attention_feed_forward_hidden_size=config.feedforward_dim,
        memory_attention_rope_feat_sizes=[config.grid, config.grid],
        memory_encoder_hidden_size=dim,
        memory_encoder_output_channels=config.memory_dim,
        mask_downsampler_embed_dim=dim,
        memory_fuser_embed_dim=dim,
        memory_fuser_intermediate_dim=4 * dim,
    )


class PeerTracker:
    """Steps a Sam2VideoModel frame by frame, as its streaming mode is meant to be used."""

    def __init__(self, peer: "Sam2VideoModel", clicks: Sequence[tuple[float, float]]) -> None:
        """One track a click, (x, y) in 0..1 of the first frame."""
        from transformers.models.sam2_video.modeling_sam2_video import (  # noqa: PLC0415
            Sam2VideoInferenceSession,
        )

        self._peer = peer
        device, size = peer.device, peer.config.image_size
        assert isinstance(size, int)
        self._session = Sam2VideoInferenceSession(
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
            dtype=peer.dtype,
        )
        for track_id, click in enumerate(clicks, start=1):
            row = self._session.obj_id_to_idx(track_id)
            place = {
                "point_coords": torch.tensor([[[[x * size for x in click]]]]),
                "point_labels": torch.ones(1, 1, 1, dtype=torch.int32),
            }
            self._session.add_point_inputs(row, 0, place)
            self._session.obj_with_new_inputs.append(track_id)

    @torch.inference_mode()
    def step(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [1, 3, S, S] -> mask logits [tracks, 4g, 4g]"""
        answer = self._peer(inference_session=self._session, frame=pixels)
        return answer.pred_masks[:, 0].float()
