"""Packages: graphs of the model, compiled ahead of time and kept on disk for the next start."""

import hashlib
import logging
import os
from pathlib import Path

import torch
from torch import Tensor, nn

from sam2_rt.tracking.calls import Graph

log = logging.getLogger(__name__)

OWN_CODE = Path(__file__).parent
"""What is compiled comes from here; another version of it is another package."""


MAX_PACKAGES = 128
"""On disk; beyond them the oldest go."""


MAX_SHORT = 64
"""Numbers of a tensor that a package may have been made for."""


class CannotCompile(RuntimeError):
    """No package and no compiler; the message says what to do."""


class Packages:
    """A folder of AOTInductor packages for one model on one kind of device.

    They hold no weights but the shortest: those of the model are used where they lie. A package is
    named by all that it was made for, so that what does not fit is never found.
    """

    def __init__(self, folder: Path, model: nn.Module, words: str) -> None:
        """words: what else the model is, beyond its parameters' shapes and types."""
        self.folder = folder
        self._made_for = "\n".join((words, *_made_for(model)))

    def graph(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> Graph:
        """Of the module for tensors like these: read, or compiled and then read.

        Raises CannotCompile.
        """
        path = self.folder / f"{name}-{self._key(name, inputs)}.pt2"
        if not path.exists():
            log.info("compiling %s, once; the next start reads %s", name, path)
            self._compile(path, module, inputs)
        package = torch._inductor.aoti_load_package(str(path))  # noqa: SLF001 has no other name
        constants = dict(module.named_parameters()) | dict(module.named_buffers())
        wanted = {constant: constants[constant] for constant in package.get_constant_fqns()}
        package.load_constants(wanted, check_full_update=True, user_managed=True)
        graph: Graph = package
        return graph

    def _compile(self, path: Path, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part.pt2")  # several may start at once
        try:
            exported = torch.export.export(module, inputs, strict=False)
            torch._inductor.aoti_compile_and_package(  # noqa: SLF001 has no other name
                exported,
                package_path=str(part),
                inductor_configs={"aot_inductor.package_constants_in_so": False},
            )
            part.replace(path)
        except torch._inductor.exc.InvalidCxxCompiler as error:  # noqa: SLF001 likewise
            reason = "compiling needs a C++ compiler: install g++, or set compiled_rows to 0"
            raise CannotCompile(reason) from error
        finally:
            part.unlink(missing_ok=True)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Packages of other models and of older versions gather here."""
        newest_first = sorted(self.folder.glob("*.pt2"), key=lambda p: p.stat().st_mtime)[::-1]
        for path in newest_first[MAX_PACKAGES:]:
            path.unlink(missing_ok=True)

    def _key(self, name: str, inputs: tuple[Tensor, ...]) -> str:
        tensors = (f"{x.dtype} {tuple(x.shape)} {x.stride()} {x.device.type}" for x in inputs)
        text = "\n".join((name, self._made_for, *tensors))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _made_for(model: nn.Module) -> list[str]:
    """Versions, device, the code, and the layout of all parameters."""
    weights = dict(model.named_parameters()) | dict(model.named_buffers())
    layout = [f"{name} {w.dtype} {tuple(w.shape)} {w.stride()}" for name, w in weights.items()]
    # The compiler writes short tensors (today up to 8 numbers) into the code.
    short = [f"{w.tolist()}" for w in weights.values() if w.numel() <= MAX_SHORT]
    device = next(model.parameters()).device
    kind = torch.backends.cpu.get_cpu_capability()
    if device.type == "cuda":
        kind = f"{torch.cuda.get_device_name(device)} {torch.cuda.get_device_capability(device)}"
    code = hashlib.sha256()
    for file in sorted((*OWN_CODE.glob("model/*.py"), *OWN_CODE.glob("tracking/*.py"))):
        code.update(file.read_bytes())
    return [torch.__version__, kind, code.hexdigest(), *layout, *short]
