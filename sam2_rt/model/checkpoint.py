"""Checkpoint files: official `.pt`, or safetensors with official or `transformers` names."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from sam2_rt.model.config import ModelConfig
from sam2_rt.model.sam2 import SAM2

Weights = dict[str, Tensor]

_COUNTER: Final = ".num_batches_tracked"
"""Batch normalisation counts batches and never reads the count; no file has to have it."""
_POSITION: Final = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_PEER_POSITIONS: Final = (
    "shared_image_embedding.positional_embedding",
    "prompt_encoder.shared_embedding.positional_embedding",
)
_POINTS: Final = tuple(f"sam_prompt_encoder.point_embeddings.{label}.weight" for label in range(4))
_PEER_POINTS: Final = "prompt_encoder.point_embed.weight"
"""`transformers` stacks the embeddings of the four labels, [4, dim]."""

# Official name -> name in transformers' Sam2VideoModel: all rules in order, each where it fits.
_RULES: Final = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # the trunk and its neck
        (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
        (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
        (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
        # the prompt encoder
        (r"^sam_prompt_encoder\.", "prompt_encoder."),
        (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
        (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
        (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
        (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
        (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
        # the mask decoder
        (r"^sam_mask_decoder\.", "mask_decoder."),
        (r"\.output_upscaling\.0\.", ".upscale_conv1."),
        (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
        (r"\.output_upscaling\.3\.", ".upscale_conv2."),
        # the memory encoder
        (r"\.mask_downsampler\.encoder\.12\.", ".mask_downsampler.final_conv."),
        *(
            (rf"\.mask_downsampler\.encoder\.{3 * layer + part}\.", replacement)
            for layer in range(4)
            for part, replacement in (
                (0, f".mask_downsampler.layers.{layer}.conv."),
                (1, f".mask_downsampler.layers.{layer}.layer_norm."),
            )
        ),
        (r"\.pix_feat_proj\.", ".feature_projection."),
        (r"\.fuser\.", ".memory_fuser."),
        (r"\.gamma$", ".scale"),
        (r"\.dwconv\.", ".depthwise_conv."),
        (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
        (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
        # names of the model itself
        (r"^obj_ptr_proj\.", "object_pointer_proj."),
        (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
        (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
        (r"^no_mem_embed$", "no_memory_embedding"),
        (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
        (r"^no_obj_ptr$", "no_object_pointer"),
        (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
        # parts that occur in several places: MLPs of two and of three layers, norms, attention
        (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
        (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
        (r"(_mlps\.\d|_head|_pointer_proj)\.layers\.0\.", r"\1.proj_in."),
        (r"(_mlps\.\d|_head|_pointer_proj)\.layers\.1\.", r"\1.layers.0."),
        (r"(_mlps\.\d|_head|_pointer_proj)\.layers\.2\.", r"\1.proj_out."),
        (r"\.norm(\d?|_final_attn)\.", r".layer_norm\1."),
        (r"\.out_proj\.", ".o_proj."),
    )
)


class CheckpointError(ValueError):
    """A file that holds no weights for the model; the message names both and the first misfits."""


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Official names and shapes of a model's weights."""
    with torch.device("meta"):
        model = SAM2(config)
    return {
        name: tuple(tensor.shape)
        for name, tensor in model.state_dict().items()
        if not name.endswith(_COUNTER)
    }


def read_checkpoint(path: Path, config: ModelConfig, model: str) -> Weights:
    """The weights in a file under their official names, all that the config asks for and no more.

    `model` is the name for messages. Raises CheckpointError for a file that is missing, cannot be
    read, or does not fit the config exactly.
    """
    expected = expected_shapes(config)
    weights = _read(path)
    if any(name.startswith("vision_encoder.") for name in weights):
        weights = from_transformers(weights, expected)
    misfits = _misfits({name: tuple(tensor.shape) for name, tensor in weights.items()}, expected)
    if misfits:
        raise CheckpointError(f"{path} is no checkpoint of {model}: {'; '.join(misfits)}")
    return weights


def to_transformers(weights: Mapping[str, Tensor]) -> Weights:
    """Official names -> those of transformers' Sam2VideoModel."""
    renamed: Weights = {}
    for name, tensor in weights.items():
        if name == _POSITION:
            renamed |= dict.fromkeys(_PEER_POSITIONS, tensor)
        elif name not in _POINTS:
            renamed[_peer_name(name)] = tensor
    renamed[_PEER_POINTS] = torch.cat([weights[name] for name in _POINTS])
    return renamed


def from_transformers(weights: Mapping[str, Tensor], names: Iterable[str]) -> Weights:
    """Names of transformers' Sam2VideoModel -> the official ones among `names`.

    What has no official name keeps its own, for whoever checks the result to see.
    """
    official = {_peer_name(name): name for name in names if name not in {_POSITION, *_POINTS}}
    official |= dict.fromkeys(_PEER_POSITIONS, _POSITION)
    renamed = {official.get(name, name): tensor for name, tensor in weights.items()}
    stacked = renamed.get(_PEER_POINTS)
    if stacked is not None and stacked.ndim == 2 and len(stacked) == len(_POINTS):
        del renamed[_PEER_POINTS]
        renamed |= dict(zip(_POINTS, stacked.split(1), strict=True))
    return renamed


def _peer_name(name: str) -> str:
    for pattern, replacement in _RULES:
        name = pattern.sub(replacement, name)
    return name


def _read(path: Path) -> Weights:
    """Tensors by whatever names the file has."""
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist")
    try:
        is_plain = path.suffix == ".safetensors"
        content = {"model": load_file(path)} if is_plain else _unpickle(path)
    except (SafetensorError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path} cannot be read: {reason}") from error
    weights = content.get("model") if isinstance(content, dict) else None
    if not isinstance(weights, dict):
        raise CheckpointError(f'{path} holds no weights under "model", as official files do')
    weights = {name: value for name, value in weights.items() if not str(name).endswith(_COUNTER)}
    if not all(isinstance(name, str) and _is_weight(value) for name, value in weights.items()):
        raise CheckpointError(
            f'{path} holds something else than named tensors of real numbers under "model"'
        )
    return weights


def _unpickle(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # junk drives the pickle machine into errors of any type
        raise CheckpointError(
            f"{path} cannot be read: it is cut off, garbled, or holds more than plain tensors"
        ) from error


def _is_weight(value: object) -> bool:
    """Whether it is what a parameter can be copied from: plain memory of real numbers."""
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.layout == torch.strided
        and value.device.type == "cpu"
    )


def _misfits(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> list[str]:
    """What is missing, not known, or of another shape: the first few of each."""
    reshaped = (
        f"{name} is {list(found[name])}, not {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    )
    groups = {
        "missing": [name for name in expected if name not in found],
        "not known": [name for name in found if name not in expected],
        "of another shape": list(reshaped),
    }
    return [f"{len(names)} {what} ({_first(names)})" for what, names in groups.items() if names]


def _first(names: Iterable[str], count: int = 3) -> str:
    names = list(names)
    more = ["..."] if len(names) > count else []
    return ", ".join([*islice(names, count), *more])
