"""Packages: graphs of the model, compiled ahead of time and kept on disk for the next start."""

import hashlib
import logging
import os
import platform
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sam2_rt.tracking.calls import Graph

if TYPE_CHECKING:  # the compiler takes seconds to import
    from torch.export.pt2_archive._package import AOTICompiledModel

log = logging.getLogger(__name__)

OWN_CODE = Path(__file__).parent
"""What is compiled comes from here; another version of it is another package."""
MAX_PACKAGES = 128
"""On disk; beyond them the oldest go."""
MAX_SHORT = 64
"""Numbers of a tensor that a package may have been made for."""
INSTRUCTIONS = ("flags", "Features")
"""How Linux begins the lines that say what a processor can."""


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
        package = self._read(path, inputs[0].device) if path.exists() else None
        if package is None:
            log.info("compiling %s, once; the next start reads %s", name, path)
            self._compile(path, module, inputs)
            package = self._read(path, inputs[0].device)
        if package is None:
            raise CannotCompile(f"{path} cannot be read: is its disk full?")
        constants = dict(module.named_parameters()) | dict(module.named_buffers())
        wanted = {constant: constants[constant] for constant in package.get_constant_fqns()}
        package.load_constants(wanted, check_full_update=True, user_managed=True)
        return package

    def _read(self, path: Path, device: torch.device) -> "AOTICompiledModel | None":
        """None for a file that is broken, which is deleted, or gone."""
        index = -1 if device.index is None else device.index
        with suppress(OSError):  # a folder that is only read keeps its times
            os.utime(path)  # those in use are not the oldest
        try:
            return torch._inductor.aoti_load_package(  # noqa: SLF001 has no other name
                str(path), device_index=index
            )
        except RuntimeError as error:
            log.warning("%s cannot be read and is made again: %s", path, error)
            path.unlink(missing_ok=True)
            return None

    def _compile(self, path: Path, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Several may start at once, on several machines that share the folder.
        with TemporaryDirectory(dir=self.folder) as own:
            part = Path(own) / path.name
            try:
                exported = torch.export.export(module, inputs, strict=False)
                torch._inductor.aoti_compile_and_package(  # noqa: SLF001 has no other name
                    exported,
                    package_path=str(part),
                    inductor_configs={"aot_inductor.package_constants_in_so": False},
                )
            except torch._inductor.exc.InvalidCxxCompiler as error:  # noqa: SLF001 likewise
                reason = "compiling needs a C++ compiler: install g++, or set compiled_rows to 0"
                raise CannotCompile(reason) from error
            part.replace(path)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Packages of other models and of older versions gather here."""
        by_use = sorted((_last_use(path), path) for path in self.folder.glob("*.pt2"))
        for _, path in by_use[:-MAX_PACKAGES]:
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
    kind = _processor()
    if device.type == "cuda":
        kind = f"{torch.cuda.get_device_name(device)} {torch.cuda.get_device_capability(device)}"
    code = hashlib.sha256()
    for file in sorted((*OWN_CODE.glob("model/*.py"), *OWN_CODE.glob("tracking/*.py"))):
        code.update(file.read_bytes())
    return [torch.__version__, kind, code.hexdigest(), *layout, *short]


def _processor() -> str:
    """Code is compiled for the very instructions of this processor, and for a number of threads."""
    threads = f"{torch.get_num_threads()} threads"
    words = (platform.machine(), torch.backends.cpu.get_cpu_capability(), threads)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # not Linux
        lines = [platform.processor()]
    return "\n".join((*words, *sorted({line for line in lines if line.startswith(INSTRUCTIONS)})))


def _last_use(path: Path) -> float:
    """0 for a file that somebody else has just deleted."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
