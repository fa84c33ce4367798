"""Learner: the model with its optimiser and the running mean of its weights; one step at a time."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

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
MAX_BAD = 50
"""Steps in a row without a finite gradient, after which a run has come to nothing."""
MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of each parameter's gradients."""


COMPILER = "inductor"
COMPILED_PARTS = ("image_encoder", "memory_attention", "sam_mask_decoder", "memory_encoder")
MAX_VERSIONS = 64
"""Of a part, by shapes that had to be told apart."""


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


class Diverged(RuntimeError):
    """Gradients are not finite any more, whatever the batch."""


class Learner:
    """Takes steps; can be written to a file and read back at any of them."""

    def __init__(self, model: SAM2, recipe: Recipe) -> None:
        self.recipe = recipe
        self.model = model.train()
        self.device = model.no_obj_ptr.device
        self.step = 0
        self._num_bad = 0  # in a row
        self.mean = {name: tensor.detach().clone() for name, tensor in _floats(model)}
        if recipe.compiles:
            compile_parts(model)
        self.optimizer = torch.optim.AdamW(
            list(parameter_groups(model, recipe)), lr=1e-3, betas=(0.9, 0.999)
        )

    def learn(self, batch: Batch, plan: Plan) -> Report:
        """One step on one batch. Raises Diverged after MAX_BAD in a row that taught nothing."""
        _, stage, within = self.recipe.at(self.step)
        trunk = self.model.image_encoder.trunk
        is_frozen = not any(parameter.requires_grad for parameter in trunk.parameters())
        self._hold_norms(stage.holds_norms or is_frozen)
        statistics = {name: buffer.clone() for name, buffer in _statistics(self.model)}
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
            self._num_bad = 0
        else:
            self._take_back(statistics)
        self.step += 1
        return _report(total.detach(), losses, norm)

    def _take_back(self, statistics: dict[str, Tensor]) -> None:
        """Leaves no trace of a bad batch in what normalisation knows of activations."""
        for name, buffer in _statistics(self.model):
            buffer.copy_(statistics[name])
        self._num_bad += 1
        if self._num_bad == MAX_BAD:
            raise Diverged(f"no finite gradient in {MAX_BAD} steps before {self.step + 1}")

    def _hold_norms(self, are_held: bool) -> None:  # noqa: FBT001 a value
        """Batch normalisation goes by its running statistics, or by the batch's."""
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train(not are_held)

    def _follow(self) -> None:
        """Moves the running means; quickly at a stage's start, where the weights run away."""
        within = self.recipe.at(self.step)[2]
        keep = min(self.recipe.ema, (1 + within) / (10 + within))
        with torch.no_grad():
            for name, tensor in _floats(self.model):
                self.mean[name].lerp_(tensor, 1 - keep)

    def save(self, path: Path) -> None:
        """Writes all that is needed to go on, in one piece or not at all.

        The optimiser's moments are rounded to bfloat16, so that nano's state may be carried about;
        learning goes on from the rounded ones here too, as from the file.
        """
        is_cuda = self.device.type == "cuda"
        state = {
            "format": FORMAT,
            "step": self.step,
            "model": self.model.state_dict(),
            "mean": self.mean,
            "optimizer": self._rounded(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if is_cuda else None,
            "recipe": self.recipe.told(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        part.replace(path)

    def _rounded(self) -> dict[str, object]:
        state = self.optimizer.state_dict()
        small = {}
        for number, of_parameter in state["state"].items():
            moments = {name: of_parameter[name].bfloat16() for name in MOMENTS}
            for name, moment in moments.items():
                of_parameter[name].copy_(moment)
            small[number] = {**of_parameter, **moments}
        return {**state, "state": small}

    def restore(self, path: Path) -> tuple[str, ...]:
        """Goes on from a file; what the recipe says otherwise than the file's, by its own rates.

        Raises StateError for a file that is cut off, or of another model or format.
        """
        state = _read_state(path)
        own = [dict(group) for group in self.optimizer.param_groups]
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            for name, tensor in self.mean.items():
                tensor.copy_(state["mean"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise StateError(f"{path} is of another model or recipe: {error}") from error
        for group, before in zip(self.optimizer.param_groups, own, strict=True):
            group.update((k, before[k]) for k in ("share", "weight_decay"))
        self.step = state["step"]
        torch.set_rng_state(state["torch"])
        if self.device.type == "cuda" and state.get("cuda") is not None:
            torch.cuda.set_rng_state(state["cuda"], self.device)
        return self.recipe.differences(state.get("recipe", {}))

    def weights(self) -> dict[str, Tensor]:
        """The running means under the checkpoint's names: what is evaluated and shipped."""
        return dict(self.mean)


def _read_state(path: Path) -> dict[str, Any]:
    # To the CPU: where a step count lies on a GPU, each step of the optimiser waits for it.
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # junk drives the pickle machine into errors of any type
        raise StateError(f"{path} is cut off or garbled; delete it to begin anew") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != FORMAT:
        raise StateError(f"{path} has format {found}; {FORMAT} is read here")
    return state


def parameter_groups(model: SAM2, recipe: Recipe) -> Iterator[dict[str, object]]:
    """Groups by learning rate and weight decay; matrices decay, vectors and codes do not.

    The trunk has its own share of the rate, less by layer_decay for each stage towards the pixels;
    so has each part that the recipe names. Raises ValueError for one that the model has not.
    """
    for part, _ in recipe.lr_shares:
        if not any(_is_of(name, part) for name, _ in model.named_parameters()):
            parts = ", ".join(dict(model.named_children()))
            raise ValueError(f"{recipe.model} has no part {part!r}; there are {parts}")
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    matrices = _matrices(model)
    for name, parameter in model.named_parameters():
        share = 1.0
        if name.startswith("image_encoder.trunk."):
            share = recipe.trunk_lr_share * recipe.layer_decay ** (3 - _depth(name, model))
        share *= _share_of(name, recipe)
        if share == 0:
            parameter.requires_grad_(False)
            continue
        decay = recipe.weight_decay if parameter in matrices else 0.0
        groups.setdefault((share, decay), []).append(parameter)
    for (share, decay), parameters in groups.items():
        yield {"params": parameters, "share": share, "weight_decay": decay}


def _share_of(name: str, recipe: Recipe) -> float:
    """By the longest of the recipe's parts that a parameter is of."""
    fitting = [(len(part), share) for part, share in recipe.lr_shares if _is_of(name, part)]
    return max(fitting)[1] if fitting else 1.0


def _is_of(name: str, part: str) -> bool:
    return f"{name}.".startswith(f"{part}.")


def _matrices(model: SAM2) -> set[Tensor]:
    """Weights of linear maps and convolutions."""
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    return {module.weight for module in model.modules() if isinstance(module, kinds)}


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
    """Mixed precision; on a CPU plain attention: fused, it was two thirds of a backward pass."""
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
        if device.type != "cpu":
            yield
            return
        with sdpa_kernel(SDPBackend.MATH):
            yield


def _floats(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers; counters are left out."""
    return ((n, t) for n, t in model.state_dict().items() if t.is_floating_point())


def compile_parts(model: SAM2) -> None:
    """In place: what has weights and is called for many shapes, each part by itself.

    Shapes that differ between stages and steps are compiled once, with sizes left open.
    """
    # Rotary angles are there before anything is traced.
    model.memory_attention.rotation(model.no_mem_embed.expand(1, model.config.grid**2, -1))
    # Beyond eight versions torch would go on without compiling, and say so only in its log.
    torch._dynamo.config.recompile_limit = MAX_VERSIONS  # noqa: SLF001 has no other name
    for part in COMPILED_PARTS:
        getattr(model, part).compile(backend=COMPILER)


def _statistics(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What normalisation knows of activations."""
    for name, module in model.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            yield from ((f"{name}.{part}", buffer) for part, buffer in module.named_buffers())


def _report(total: Tensor, losses: list[Losses], norm: Tensor) -> Report:
    means = [torch.stack(column).nanmean() for column in zip(*losses, strict=True)]
    return Report(*torch.stack([total, *(m.detach() for m in means), norm]).tolist())


def seeded(seed: int, step: int) -> random.Random:
    """The randomness of one step, the same after a restart."""
    return random.Random(seed * 1_000_003 + step)  # noqa: S311 no secret
