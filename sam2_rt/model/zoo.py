"""Zoo: the models by name, where their weights come from, and how to build, fetch and load one."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from sam2_rt.model.checkpoint import CheckpointError, expected_shapes, read_checkpoint
from sam2_rt.model.config import (
    BASE_PLUS,
    LARGE,
    NANO,
    SMALL,
    TINY,
    ModelConfig,
)
from sam2_rt.model.conv_trunk import ConvTrunk
from sam2_rt.model.download import DownloadError, Progress, Source
from sam2_rt.model.sam2 import SAM2

BUNDLED: Final = Path(__file__).parent / "weights" / "nano.safetensors"
"""Weights of nano that come with the package; absent until it is trained."""

_SEED: Final = 0
"""Of the weights of a model that has none."""


class UnknownModel(ValueError):
    """A name that is not in the zoo; the message lists those that are."""


class NotFetched(ValueError):
    """A model whose weights are not on this machine; the message says how to get them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the zoo."""

    config: ModelConfig
    source: Source | None
    """None: the weights come with the package."""


def _official(size: str, config: ModelConfig) -> tuple[str, Entry]:
    """`size` as in the name; files spell it with an underscore."""
    prefix, folder = ("sam2", "072824") if config.version == "2.0" else ("sam2.1", "092824")
    name = f"{prefix}-hiera-{size}"
    file = f"{prefix}_hiera_{size.replace('-', '_')}.pt"
    return name, Entry(config, Source(f"facebook/{name}", folder, file))


_TRUNKS: Final = {"tiny": TINY, "small": SMALL, "base-plus": BASE_PLUS, "large": LARGE}

MODELS: Final[dict[str, Entry]] = {
    **dict(_official(size, ModelConfig(trunk, "2.0")) for size, trunk in _TRUNKS.items()),
    **dict(_official(size, ModelConfig(trunk, "2.1")) for size, trunk in _TRUNKS.items()),
    "nano": Entry(NANO, None),
}


DECODING: Final = ("sam_mask_decoder.", "sam_prompt_encoder.", "obj_ptr_proj.", "no_obj_ptr")
"""Parameters that make masks and pointers of features and prompts."""
SKIPS: Final = ("sam_mask_decoder.conv_s0.", "sam_mask_decoder.conv_s1.")
"""Those of the decoder that are used when a frame is encoded."""


def find(name: str) -> Entry:
    """Raises UnknownModel."""
    if name not in MODELS:
        raise UnknownModel(f"no model is called {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


def build(name: str, image_size: int | None = None) -> SAM2:
    """A model with random weights, for inputs of image_size, by default its own.

    Raises UnknownModel, or ValueError for a size that is no multiple of 32.
    """
    return SAM2(find(name).config.at(image_size))


def load(
    name: str,
    checkpoint: Path | str | None = None,
    device: str = "cpu",
    dtype: torch.dtype | None = None,
    *,
    image_size: int | None = None,
    folds: bool = True,
) -> SAM2:
    """A model in eval mode with the weights of the checkpoint, by default its own.

    folds: for inference alone, in fewer operations; without, state_dict() is the checkpoint's.
    Nano without weights gets random ones, the same each time: is_trained() tells.
    Raises UnknownModel, NotFetched, CheckpointError, or ValueError for the size.
    """
    entry = find(name)
    path = cached(name) if checkpoint is None else Path(checkpoint)
    if path is None and entry.source is not None:
        raise NotFetched(
            f"{name} is not on this machine: run `sam2-rt models fetch {name}`, "
            "or name a file with --checkpoint"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = build(name, image_size)
    if path is not None:
        model.load_state_dict(read_checkpoint(path, entry.config, name))
    model = model.to(device=device).eval()
    return cast(fold(model) if folds else model, dtype)


def cast(model: SAM2, dtype: torch.dtype | None) -> SAM2:
    """The same model with its parameters in another type; None leaves them.

    Parameters alone: the frequencies of places are a buffer, and rounded they would move clicks.
    On a CPU what decodes masks stays float32: it is small, and rounds what a person sees.
    """
    is_cpu = model.no_obj_ptr.device.type == "cpu"
    for name, parameter in model.named_parameters():
        is_exact = is_cpu and dtype == torch.bfloat16 and name.startswith(DECODING)
        if not is_exact or name.startswith(SKIPS):
            parameter.data = parameter.data.to(dtype=dtype)
    return model


def fold(model: SAM2) -> SAM2:
    """Folded as SAM2.fold() says, and a convolutional trunk laid out as it likes it."""
    model.fold()
    return lay_out(model) if isinstance(model.image_encoder.trunk, ConvTrunk) else model


def lay_out(model: SAM2) -> SAM2:
    """Puts the channels of convolutions last, as CPU and GPU convolutions like them best."""
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def is_trained(name: str, checkpoint: Path | str | None = None) -> bool:
    """Whether load() of the same arguments gives weights that were learned."""
    return checkpoint is not None or find(name).source is not None or BUNDLED.is_file()


def cached(name: str) -> Path | None:
    """The file of the model's weights on this machine; None if there is none."""
    source = find(name).source
    if source is None:
        return BUNDLED if BUNDLED.is_file() else None
    return source.find()


def fetch(name: str, progress: Progress) -> Path:
    """Downloads the weights, unless they are here, and loads them once to see that they fit.

    A file that is here and broken is deleted and downloaded once more.
    Raises UnknownModel; DownloadError when neither place has it for us, in one line that says
    what to do; CheckpointError when what arrived is not the model.
    """
    entry = find(name)
    if entry.source is None:
        return _bundled(name)

    def verify(path: Path) -> None:
        read_checkpoint(path, entry.config, name)

    here = entry.source.find()
    if here is not None:
        try:
            verify(here)
        except CheckpointError:
            entry.source.discard(here)
        else:
            return here
    try:
        path = entry.source.from_hub(progress)
    except DownloadError as at_hub:
        try:
            return entry.source.from_official(progress, verify)
        except DownloadError as at_official:
            raise DownloadError(
                f"{at_hub}; {at_official}; once that is mended run `sam2-rt models fetch {name}` "
                f"again, or copy {entry.source.file} here and use --checkpoint"
            ) from at_official
    verify(path)
    return path


def num_parameters(name: str) -> int:
    """Learned numbers of a model."""
    shapes = expected_shapes(find(name).config)
    return sum(math.prod(shape) for key, shape in shapes.items() if not key.endswith("_matrix"))


def _bundled(name: str) -> Path:
    if not BUNDLED.is_file():
        raise NotFetched(f"{name} has no trained weights yet: there is nothing to fetch")
    return BUNDLED
