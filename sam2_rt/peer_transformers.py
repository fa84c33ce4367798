"""The same model as `transformers` has it: an independent SAM 2 to compare with, and no more.

`transformers` is a test dependency, so it is imported when a peer is built and not before.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from sam2_rt.model.checkpoint import to_transformers
from sam2_rt.model.config import MAX_POINTERS, NUM_RECENT, PATCH_STRIDE, ModelConfig

if TYPE_CHECKING:
    from transformers import Sam2VideoConfig, Sam2VideoModel


def build_peer(config: ModelConfig, state_dict: Mapping[str, Tensor]) -> "Sam2VideoModel":
    """A Sam2VideoModel of the config's sizes with the weights, by official name, in eval mode.

    Raises RuntimeError, torch's own, when the weights do not fit.
    """
    from transformers import Sam2VideoModel  # noqa: PLC0415 - a test dependency

    peer = Sam2VideoModel(peer_config(config))
    peer.load_state_dict(to_transformers(state_dict), strict=True)
    peer.train(mode=False)
    return peer


def peer_config(config: ModelConfig) -> "Sam2VideoConfig":
    """The config in `transformers`' words, whose code fixes two dimensions: 256 and 64."""
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig  # noqa: PLC0415

    assert (config.dim, config.memory_dim) == (256, 64), f"{config.dim}, {config.memory_dim}"
    trunk, dim = config.trunk, config.dim
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
