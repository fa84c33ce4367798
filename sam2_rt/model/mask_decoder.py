"""Mask decoder: where the object is, how sure that is, and whether it is there at all.

The last is the occlusion head's object score.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_rt.model.config import NUM_MULTIMASK, ModelConfig
from sam2_rt.model.layers import MLP, LayerNorm2d, conv_blocks

NUM_HEADS = 8
NUM_MASKS = NUM_MULTIMASK + 1  # mask 0 answers clear prompts, masks 1..3 are for ambiguous ones
STABILITY_DELTA, STABILITY_THRESHOLD = 0.05, 0.98


class Candidates(NamedTuple):
    """All four masks of each row, before any choice."""

    mask_logits: Tensor
    """[B, 4, 4g, 4g]"""
    ious: Tensor
    """[B, 4], 0..1"""
    tokens: Tensor
    """[B, 4, dim]: what an object pointer is made of"""
    object_score: Tensor
    """[B] logit; > 0 means visible"""


class MaskDecoder(nn.Module):
    """Two-way transformer between tokens and the image, then one hypernetwork a mask."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.dim
        mixing = conv_blocks(dim, config.mixing_blocks, are_plain=config.plain_blocks)
        self.mixing = nn.Sequential(*mixing)
        self.transformer = TwoWayTransformer(dim, config.feedforward_dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(NUM_MASKS, dim)
        self.obj_score_token = nn.Embedding(1, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, kernel_size=2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.conv_s0 = nn.Conv2d(dim, dim // 8, kernel_size=1)
        self.conv_s1 = nn.Conv2d(dim, dim // 4, kernel_size=1)
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP((dim, dim, dim, dim // 8)) for _ in range(NUM_MASKS)
        )
        self.iou_prediction_head = MLP((dim, dim, dim, NUM_MASKS))
        self.pred_obj_score_head = MLP((dim, dim, dim, 1))

    def forward(
        self,
        image: Tensor,
        position: Tensor,
        prompt_tokens: Tensor,
        high_resolution: tuple[Tensor, Tensor],
    ) -> Candidates:
        """image [B, dim, g, g] with the prompt's dense map, prompt_tokens [B, P, dim] -> all masks

        position [1, dim, g, g]; high_resolution as in Embedding, for one frame or for B.
        """
        tokens = torch.cat([self._output_tokens(len(image)), prompt_tokens], dim=1)
        tokens, image = self.transformer(self.mixing(image), position, tokens)
        mask_tokens = tokens[:, 2 : 2 + NUM_MASKS]
        upscaled = self._upscale(image, high_resolution)
        weights = torch.stack(
            [mlp(mask_tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        return Candidates(
            mask_logits=(weights @ upscaled.flatten(2)).unflatten(2, upscaled.shape[2:]),
            ious=self.iou_prediction_head(tokens[:, 1]).sigmoid(),
            tokens=mask_tokens,
            object_score=self.pred_obj_score_head(tokens[:, 0])[:, 0],
        )

    def _output_tokens(self, batch: int) -> Tensor:
        tokens = (self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight)
        return torch.cat(tokens)[None].expand(batch, -1, -1)

    def _upscale(self, image: Tensor, high_resolution: tuple[Tensor, Tensor]) -> Tensor:
        """[B, dim, g, g] -> [B, dim/8, 4g, 4g], sharpened by the high-resolution maps"""
        conv1, norm, gelu, conv2, _ = self.output_upscaling
        stride_4, stride_8 = high_resolution
        image = gelu(norm(conv1(image) + stride_8))
        return F.gelu(conv2(image) + stride_4)


def choose_by_iou(candidates: Candidates) -> tuple[Tensor, Tensor, Tensor]:
    """The best of masks 1..3: logits [B, 4g, 4g], predicted IoU [B], pointer token [B, dim]"""
    best = candidates.ious[:, 1:].argmax(dim=1) + 1
    row = torch.arange(len(best), device=best.device)
    return (
        candidates.mask_logits[row, best],
        candidates.ious[row, best],
        candidates.tokens[row, best],
    )


def choose_single(
    candidates: Candidates, *, falls_back: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask 0, or the best of 1..3 where mask 0 is unstable; the pointer token stays mask 0's."""
    logits, iou = candidates.mask_logits[:, 0], candidates.ious[:, 0]
    if not falls_back:
        return logits, iou, candidates.tokens[:, 0]
    best_logits, best_iou, _ = choose_by_iou(candidates)
    is_stable = stability(logits) >= STABILITY_THRESHOLD
    logits = torch.where(is_stable[:, None, None], logits, best_logits)
    return logits, torch.where(is_stable, iou, best_iou), candidates.tokens[:, 0]


def stability(mask_logits: Tensor) -> Tensor:
    """Area above +0.05 over area above -0.05, 1 for an empty mask: [..., H, W] -> [...]"""
    inner = (mask_logits > STABILITY_DELTA).sum((-1, -2)).float()
    outer = (mask_logits > -STABILITY_DELTA).sum((-1, -2)).float()
    return torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)


class TwoWayTransformer(nn.Module):
    """Tokens read the image and the image reads the tokens, twice, and once more at the end."""

    def __init__(self, dim: int, feedforward_dim: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayLayer(dim, feedforward_dim, is_first=i == 0) for i in range(2)
        )
        self.final_attn_token_to_image = Attention(dim, dim // 2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(self, image: Tensor, position: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """image [B, dim, g, g], position [1, dim, g, g], tokens [B, T, dim] -> tokens and image"""
        side = image.shape[2:]
        keys, key_position = image.flatten(2).mT, position.flatten(2).mT
        queries = tokens
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, key_position)
        attended = self.final_attn_token_to_image(queries + tokens, keys + key_position, keys)
        return self.norm_final_attn(queries + attended), keys.mT.unflatten(2, side)


class TwoWayLayer(nn.Module):
    """Post-norm; the tokens themselves serve as the queries' position."""

    def __init__(self, dim: int, feedforward_dim: int, *, is_first: bool) -> None:
        super().__init__()
        self.is_first = is_first
        self.self_attn = Attention(dim, dim)
        self.cross_attn_token_to_image = Attention(dim, dim // 2)
        self.cross_attn_image_to_token = Attention(dim, dim // 2)
        self.mlp = MLP((dim, feedforward_dim, dim))
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)

    def forward(
        self, queries: Tensor, keys: Tensor, query_position: Tensor, key_position: Tensor
    ) -> tuple[Tensor, Tensor]:
        """queries [B, T, dim], keys [B, g², dim] -> both, updated"""
        if self.is_first:  # the first layer replaces the queries: no position, no residual
            queries = self.self_attn(queries, queries, queries)
        else:
            q = queries + query_position
            queries = queries + self.self_attn(q, q, queries)
        queries = self.norm1(queries)
        q, k = queries + query_position, keys + key_position
        queries = self.norm2(queries + self.cross_attn_token_to_image(q, k, keys))
        queries = self.norm3(queries + self.mlp(queries))
        q = queries + query_position
        return queries, self.norm4(keys + self.cross_attn_image_to_token(k, q, queries))


class Attention(nn.Module):
    """Eight heads, optionally at a narrower width."""

    def __init__(self, dim: int, inner_dim: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(dim, inner_dim)
        self.k_proj = nn.Linear(dim, inner_dim)
        self.v_proj = nn.Linear(dim, inner_dim)
        self.out_proj = nn.Linear(inner_dim, dim)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q [B, T, dim], k and v [B, S, dim] -> [B, T, dim]"""
        projected = (self.q_proj(q), self.k_proj(k), self.v_proj(v))
        q, k, v = (t.unflatten(-1, (NUM_HEADS, -1)).transpose(1, 2) for t in projected)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(x.transpose(1, 2).flatten(2))
