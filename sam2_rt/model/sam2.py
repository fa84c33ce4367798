"""SAM2: the model's four calls. It knows no time: whoever calls it says what is remembered."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam2_rt.model.config import FEATURE_STRIDE, MAX_POINTERS, NUM_RECENT, ModelConfig
from sam2_rt.model.conv_trunk import ConvTrunk
from sam2_rt.model.image_encoder import Hiera, ImageEncoder, Lateral
from sam2_rt.model.layers import MLP, sine_position_1d, sine_position_2d
from sam2_rt.model.mask_decoder import Candidates, MaskDecoder, choose_by_iou, choose_single
from sam2_rt.model.memory_attention import MemoryAttention, MemoryTokens
from sam2_rt.model.memory_encoder import MemoryEncoder
from sam2_rt.model.prompt_encoder import NOT_A_POINT, PromptEncoder, draw_maps

ABSENT_LOGIT = -1024.0  # of every pixel while the occlusion head says the object is not there
GIVEN_LOGIT = 10.0  # of a mask that was given rather than predicted
EMBEDDING_STD = 0.02
MEMORY_MASK_SCALE, MEMORY_MASK_BIAS = 20.0, -10.0


class Embedding(NamedTuple):
    """What the image encoder makes of F frames, once; mostly of one."""

    feature: Tensor
    """[F, dim, g, g], stride 16"""
    high_resolution: tuple[Tensor, Tensor]
    """[F, dim/8, 4g, 4g] and [F, dim/4, 2g, 2g]: the decoder's skips"""

    def rows(self, frame: Tensor | None) -> "Embedding":
        """One a row, of the frame that the row is in [B]; None: as it is."""
        if frame is None or len(self.feature) == 1:
            return self
        stride_4, stride_8 = self.high_resolution
        return Embedding(self.feature[frame], (stride_4[frame], stride_8[frame]))


class Memories(NamedTuple):
    """What each row of a batch remembers; rows with less are padded and say so."""

    features: Tensor
    """[B, M, memory_dim, g, g] as stored"""
    ages: Tensor
    """[B, M] frames since each memory: 1..6 for recent ones, 0 for conditioning ones of any age"""
    pointers: Tensor
    """[B, P, dim]"""
    pointer_ages: Tensor
    """[B, P] frames since each pointer, any size"""
    is_memory: Tensor | None
    """[B, M] bool, None when nothing is padded"""
    is_pointer: Tensor | None
    """[B, P] bool, likewise"""
    frame: Tensor | None = None
    """[B], ascending: which of F frames each row is in; every frame has a row. None: there is one
    frame for all rows, or one for each."""


class PromptTensors(NamedTuple):
    """A prompt in the model's units; either part may be missing."""

    points: Tensor
    """[B, P, 2] (x, y) in pixels of the input; P = 0: no points"""
    labels: Tensor
    """[B, P]: 1 positive, 0 negative, 2 and 3 the corners of a box"""
    mask_logits: Tensor | None
    """[B, 1, 4g, 4g]: the mask so far, -32..32"""


class Decoded(NamedTuple):
    """What the decoder says of each row of a batch, or, one dimension less, of a track."""

    mask_logits: Tensor
    """[B, 4g, 4g] float32, > 0 is the object"""
    iou: Tensor
    """[B] predicted, 0..1"""
    object_score: Tensor
    """[B] logit, > 0 is visible"""
    object_pointer: Tensor
    """[B, dim]"""


class SAM2(nn.Module):
    """Segment Anything in Images and Videos (Ravi et al., 2024), for batches of tracks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim, memory_dim = config.dim, config.memory_dim
        self.image_encoder = ImageEncoder(config.trunk, dim)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        self.sam_prompt_encoder = PromptEncoder(dim, draws_maps=config.prompt_maps)
        self.sam_mask_decoder = MaskDecoder(config)
        self.obj_ptr_proj = MLP((dim, dim, dim, dim))
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.maskmem_tpos_enc = nn.Parameter(torch.zeros(NUM_RECENT + 1, 1, 1, memory_dim))
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, dim))
        self.no_mem_pos_enc = nn.Parameter(torch.zeros(1, 1, dim))  # in checkpoints, never read
        self.no_obj_ptr = nn.Parameter(torch.zeros(1, dim))
        if config.version == "2.1":
            self.no_obj_embed_spatial = nn.Parameter(torch.zeros(1, memory_dim))
            self.obj_ptr_tpos_proj = nn.Linear(dim, memory_dim)
        self._begin_small()

    def _begin_small(self) -> None:
        """Starts the free-standing embeddings near zero, as the paper's code does."""
        trunk = self.image_encoder.trunk
        if isinstance(trunk, Hiera):
            nn.init.trunc_normal_(trunk.pos_embed, std=EMBEDDING_STD)
            nn.init.trunc_normal_(trunk.pos_embed_window, std=EMBEDDING_STD)
        for parameter in self.parameters(recurse=False):
            nn.init.trunc_normal_(parameter, std=EMBEDDING_STD)

    @torch.no_grad()
    def fold(self) -> None:
        """The same function in fewer operations, for inference; its keys fit no checkpoint then.

        Normalisation goes into the convolutions before it. The decoder's narrow skips go into the
        neck's wide lateral convolutions, which nothing else reads.
        """
        if isinstance(self.image_encoder.trunk, ConvTrunk):
            self.image_encoder.trunk.fold()
        *_, stride_8, stride_4 = self.image_encoder.neck.convs
        for name, lateral in (("conv_s0", stride_4), ("conv_s1", stride_8)):
            reader = getattr(self.sam_mask_decoder, name)
            if isinstance(reader, nn.Conv2d) and isinstance(lateral, Lateral):
                lateral.absorb(reader)
                setattr(self.sam_mask_decoder, name, nn.Identity())

    @property
    def dtype(self) -> torch.dtype:
        """Of pictures, features and memories."""
        return self.no_mem_embed.dtype

    def encode_image(self, pixels: Tensor) -> Embedding:
        """pixels [F, 3, S, S], normalised -> everything later calls need of the frames"""
        stride_4, stride_8, feature = self.image_encoder(pixels)
        decoder = self.sam_mask_decoder
        return Embedding(feature, (decoder.conv_s0(stride_4), decoder.conv_s1(stride_8)))

    def condition_on_memory(self, feature: Tensor, memories: Memories) -> Tensor:
        """feature [F or B, dim, g, g], memories of B rows -> [B, dim, g, g]"""
        side = feature.shape[2:]
        position = sine_position_2d(feature.shape[1], side[0], side[1], feature.device).flatten(1).T
        tokens = self.memory_attention(
            feature.flatten(2).mT, position.to(feature.dtype), self.tokens(memories)
        )
        return tokens.mT.unflatten(2, side)

    def without_memory(self, feature: Tensor) -> Tensor:
        """The feature of a frame on which a track begins: [1, dim, g, g] -> [1, dim, g, g]"""
        return feature + self.no_mem_embed.view(1, -1, 1, 1)

    def tokens(self, memories: Memories) -> MemoryTokens:
        """Keys, values and positions of the memories, spatial tokens before pointers."""
        dtype = self.dtype
        batch, _, memory_dim, height, width = memories.features.shape
        spatial = memories.features.to(dtype).flatten(3).mT.flatten(1, 2)
        # Age 1 reads the first temporal code and age 6 the sixth; age 0, conditioning, the last.
        temporal = self.maskmem_tpos_enc[memories.ages.long() - 1, 0]
        sine = sine_position_2d(memory_dim, height, width, spatial.device).flatten(1).T
        position = (sine.to(dtype) + temporal).flatten(1, 2)
        pointers = memories.pointers.unflatten(2, (-1, memory_dim)).flatten(1, 2).to(dtype)
        splits = self.config.dim // memory_dim
        pointer_position = self._pointer_position(memories.pointer_ages)
        pointer_position = pointer_position.repeat_interleave(splits, dim=1)
        is_valid = None
        if memories.is_memory is not None and memories.is_pointer is not None:
            places = memories.is_memory.repeat_interleave(height * width, dim=1)
            is_valid = torch.cat([places, memories.is_pointer.repeat_interleave(splits, 1)], dim=1)
        return MemoryTokens(
            torch.cat([spatial, pointers], dim=1),
            torch.cat([position.expand(batch, -1, -1), pointer_position], dim=1),
            pointers.shape[1],
            is_valid,
            memories.frame,
        )

    def _pointer_position(self, ages: Tensor) -> Tensor:
        """[B, P] -> [B, P, memory_dim]; SAM 2.0 gave pointers no position"""
        if self.config.version == "2.0":
            return self.maskmem_tpos_enc.new_zeros(*ages.shape, self.config.memory_dim)
        # Signed and in units of the pointer span, as 2.1 was trained; a stream's span is constant.
        sine = sine_position_1d(ages.float() / (MAX_POINTERS - 1), self.config.dim)
        return self.obj_ptr_tpos_proj(sine.to(self.maskmem_tpos_enc.dtype))

    def decode_masks(
        self,
        feature: Tensor,
        high_resolution: tuple[Tensor, Tensor],
        prompt: PromptTensors | None,
        *,
        is_ambiguous: bool,
    ) -> Decoded:
        """feature [B, dim, g, g] -> an answer a row, as propose_masks and choose_mask say"""
        candidates = self.propose_masks(feature, high_resolution, prompt)
        return self.choose_mask(candidates, is_ambiguous=is_ambiguous)

    def propose_masks(
        self,
        feature: Tensor,
        high_resolution: tuple[Tensor, Tensor],
        prompt: PromptTensors | None,
    ) -> Candidates:
        """feature [B, dim, g, g] -> all four masks of each row; prompt None: propagation"""
        encoder, side = self.sam_prompt_encoder, feature.shape[-1]
        stride_4, stride_8 = high_resolution
        # The decoder may be more exact than what comes before it.
        dtype = self.no_obj_ptr.dtype
        feature, high_resolution = feature.to(dtype), (stride_4.to(dtype), stride_8.to(dtype))
        logits = maps = None
        if prompt is not None:
            logits, maps = prompt.mask_logits, self._maps(prompt, side)
        dense = encoder.encode_dense(logits, maps, side).to(feature.dtype)
        tokens = self._prompt_tokens(prompt, len(feature))
        return self.sam_mask_decoder(
            feature + dense, encoder.grid_position(side), tokens, high_resolution
        )

    def choose_mask(self, candidates: Candidates, *, is_ambiguous: bool) -> Decoded:
        """One mask a row, empty where the object is absent.

        is_ambiguous: choose among three masks by predicted IoU, as SAM 2 does for one point or
        none; otherwise answer with the single mask.
        """
        score = candidates.object_score.float()
        logits = torch.where(
            (score > 0)[:, None, None, None], candidates.mask_logits.float(), ABSENT_LOGIT
        )
        candidates = candidates._replace(mask_logits=logits)
        mask_logits, iou, token = (
            choose_by_iou(candidates)
            if is_ambiguous
            else choose_single(candidates, falls_back=self.config.falls_back)
        )
        return Decoded(mask_logits, iou.float(), score, self._pointer(token, score > 0))

    def _maps(self, prompt: PromptTensors, side: int) -> Tensor | None:
        """Clicks and box drawn at stride 4, if this model reads such maps and there are any."""
        if not self.config.prompt_maps or prompt.points.shape[1] == 0:
            return None
        return draw_maps(prompt.points / self.config.image_size, prompt.labels, 4 * side)

    def _prompt_tokens(self, prompt: PromptTensors | None, batch: int) -> Tensor:
        weight = self.no_obj_ptr
        if prompt is None or prompt.points.shape[1] == 0:  # "no points" is one point that is none
            points = weight.new_zeros(batch, 1, 2)
            labels = torch.full((batch, 1), NOT_A_POINT, device=weight.device)
        else:
            points, labels = prompt.points.to(weight.dtype), prompt.labels
        return self.sam_prompt_encoder.encode_points(points, labels, self.config.image_size)

    def _pointer(self, token: Tensor, is_visible: Tensor) -> Tensor:
        """Pointer tokens [B, dim] -> object pointers, replaced where the object is absent"""
        return torch.where(is_visible[:, None], self.obj_ptr_proj(token), self.no_obj_ptr)

    def adopt_mask(self, embedding: Embedding, mask: Tensor) -> Decoded:
        """Takes a given mask [B, S, S] (0.0 or 1.0) as the output; only its pointer is decoded."""
        logits = (2 * mask - 1)[:, None] * GIVEN_LOGIT
        side = 4 * embedding.feature.shape[-1]
        low = F.interpolate(logits, (side, side), mode="bilinear", antialias=True)
        dense = self.mask_downsample(mask[:, None].to(embedding.feature.dtype))
        nothing = mask.new_zeros(len(mask), 0, 2)
        prompt = PromptTensors(nothing, nothing[..., 0].long(), dense)
        feature = embedding.feature.expand(len(mask), -1, -1, -1)
        decoded = self.decode_masks(feature, embedding.high_resolution, prompt, is_ambiguous=False)
        is_there = mask.flatten(1).any(dim=1)
        pointer = torch.where(is_there[:, None], decoded.object_pointer, self.no_obj_ptr)
        score = torch.where(is_there, GIVEN_LOGIT, -GIVEN_LOGIT)
        return Decoded(low[:, 0], torch.ones_like(score), score, pointer)

    def encode_memory(self, feature: Tensor, decoded: Decoded, *, is_prompted: bool) -> Tensor:
        """feature [1 or B, dim, g, g] and B answers of the decoder -> [B, memory_dim, g, g]

        A prompted mask is remembered as a binary one, a propagated mask with its doubts.
        """
        size = FEATURE_STRIDE * feature.shape[-1] // self.config.mask_stride
        logits = decoded.mask_logits[:, None]
        if logits.shape[-1] != size:
            logits = F.interpolate(logits, (size, size), mode="bilinear")
        mask = (logits > 0).float() if is_prompted else logits.sigmoid()
        mask = mask * MEMORY_MASK_SCALE + MEMORY_MASK_BIAS
        memory = self.memory_encoder(feature, mask.to(feature.dtype))
        if self.config.version == "2.1":
            absent = (decoded.object_score <= 0).to(memory.dtype)[:, None]
            memory = memory + (absent * self.no_obj_embed_spatial)[:, :, None, None]
        return memory
