"""Learner: the model with its optimiser and the running mean of its weights; one step at a time."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from sam2_rt.model.image_encoder import Hiera
from sam2_rt.model.sam2 import SAM2
from sam2_rt.train.batch import Batch
from sam2_rt.train.loss import Losses
from sam2_rt.train.plan import Plan
from sam2_rt.train.recipe import Recipe
from sam2_rt.train.unroll import unroll

FORMAT = 1
"""Of state files."""


class Report(NamedTuple):
    """Means over the answers of one step."""

    total: float
    focal: float
    dice: float
    iou: float
    score: float
    found_iou: float
    norm: float
    """Length of the gradient before it was clipped."""


class StateError(RuntimeError):
    """A state file that this run cannot go on from."""


class Learner:
    """Takes steps; can be written to a file and read back at any of them."""

    def __init__(self, model: SAM2, recipe: Recipe) -> None:
        self.recipe = recipe
        self.model = model.train()
        self.device = model.no_obj_ptr.device
        self.step = 0
        self.mean = {name: tensor.detach().clone() for name, tensor in _floats(model)}
        self.optimizer = torch.optim.AdamW(
            list(parameter_groups(model, recipe)), lr=1e-3, betas=(0.9, 0.999)
        )

    def learn(self, batch: Batch, plan: Plan) -> Report:
        """One step on one batch."""
        _, stage, within = self.recipe.at(self.step)
        self._hold_norms(stage.holds_norms)
        for group in self.optimizer.param_groups:
            group["lr"] = stage.lr_at(within) * group["share"]
        with arithmetic(self.device, self.recipe.dtype):
            losses = unroll(self.model, batch, plan)
        total = torch.stack([each.total for each in losses]).mean()
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.max_norm)
        if torch.isfinite(norm):  # one bad batch must not end a run of hours
            self.optimizer.step()
            self._follow()
        self.step += 1
        return _report(total.detach(), losses, norm)

    def _hold_norms(self, are_held: bool) -> None:  # noqa: FBT001 a value
        """Batch normalisation goes by its running statistics, or by the batch's."""
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(not are_held)

    def _follow(self) -> None:
        """Moves the running means; quickly at first, while the weights still run away."""
        keep = min(self.recipe.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, tensor in _floats(self.model):
                self.mean[name].lerp_(tensor, 1 - keep)

    def save(self, path: Path) -> None:
        """Writes all that is needed to go on, in one piece or not at all."""
        state = {
            "format": FORMAT,
            "step": self.step,
            "model": self.model.state_dict(),
            "mean": self.mean,
            "optimizer": self.optimizer.state_dict(),
            "torch": torch.get_rng_state(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def restore(self, path: Path) -> None:
        """Goes on from a file. Raises StateError for one of another model or format."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state.get("format") != FORMAT:
            raise StateError(f"{path} has format {state.get('format')}; {FORMAT} is read here")
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise StateError(f"{path} is of another model or recipe: {error}") from error
        self.mean = state["mean"]
        self.step = state["step"]
        torch.set_rng_state(state["torch"].cpu())

    def weights(self) -> dict[str, Tensor]:
        """The running means under the checkpoint's names: what is evaluated and shipped."""
        return dict(self.mean)


def parameter_groups(model: SAM2, recipe: Recipe) -> Iterator[dict[str, object]]:
    """Groups by learning rate and weight decay; matrices decay, vectors and codes do not.

    The trunk has its own share of the rate, less by layer_decay for each stage towards the pixels.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        share = 1.0
        if name.startswith("image_encoder.trunk."):
            share = recipe.trunk_lr_share * recipe.layer_decay ** (3 - _depth(name, model))
        if share == 0:
            parameter.requires_grad_(False)
            continue
        decay = recipe.weight_decay if _decays(name, parameter) else 0.0
        groups.setdefault((share, decay), []).append(parameter)
    for (share, decay), parameters in groups.items():
        yield {"params": parameters, "share": share, "weight_decay": decay}


def _decays(name: str, parameter: nn.Parameter) -> bool:
    is_code = "embed" in name or "token" in name or "tpos" in name or "pos_enc" in name
    return parameter.ndim > 1 and not is_code and "gamma" not in name


def _depth(name: str, model: SAM2) -> int:
    """Stage of the trunk that a parameter is in, 0 at the pixels."""
    trunk = model.image_encoder.trunk
    part, number, *_ = [*name.removeprefix("image_encoder.trunk.").split("."), ""]
    if part == "stages":
        return int(number)
    if part == "blocks" and isinstance(trunk, Hiera):
        return next(stage for stage, end in enumerate(trunk.stage_ends) if int(number) <= end)
    return 0


@contextmanager
def arithmetic(device: torch.device, dtype: str) -> Iterator[None]:
    """Mixed precision, and on a CPU plain attention: the fused one is 40 times slower backwards."""
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
        if device.type != "cpu":
            yield
            return
        with sdpa_kernel(SDPBackend.MATH):
            yield


def _floats(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers; counters are left out."""
    return ((n, t) for n, t in model.state_dict().items() if t.is_floating_point())


def _report(total: Tensor, losses: list[Losses], norm: Tensor) -> Report:
    means = [torch.stack(column).mean() for column in zip(*losses, strict=True)]
    return Report(*torch.stack([total, *(m.detach() for m in means), norm]).tolist())


def seeded(seed: int, step: int) -> random.Random:
    """The randomness of one step, the same after a restart."""
    return random.Random(seed * 1_000_003 + step)  # noqa: S311 no secret
