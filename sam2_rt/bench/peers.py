"""Peers: other implementations of the same model, each behind the same step."""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from sam2_rt import peer_sam2, peer_transformers
from sam2_rt.bench.wanted import Peer
from sam2_rt.model.sam2 import SAM2

Click = tuple[float, float]
"""(x, y) in 0..1 of the first frame."""


class PeerTracker(Protocol):
    """One stream, followed by a peer."""

    def step(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [1, 3, S, S] -> mask logits [tracks, 4g, 4g]"""
        ...


Begin = Callable[[Sequence[Click]], PeerTracker]
"""Begins a stream with a track a click; all streams share one model."""


def begin_of(peer: Peer, model: SAM2, dtype: torch.dtype) -> Begin:
    """The peer with the model's weights on the model's device.

    dtype: of the arithmetic, the way each peer's users set it. On a GPU Meta's package is its
    compiled one. Raises ValueError for a model that it cannot hold, or a peer that is not here.
    """
    config, weights, device = model.config, model.state_dict(), model.no_mem_embed.device
    try:
        if peer is Peer.SAM2:
            theirs = peer_sam2.build_peer(config, weights, is_compiled=device.type == "cuda")
            torch.nn.Module.to(theirs, device)
            return lambda clicks: peer_sam2.PeerTracker(theirs, clicks, dtype)
        other = peer_transformers.build_peer(config, weights)
    except ModuleNotFoundError as error:
        raise ValueError(f"{peer} is not installed ({error}): `make setup-test` does it") from error
    torch.nn.Module.to(other, device, dtype)  # its own wrapper has no types
    return lambda clicks: peer_transformers.PeerTracker(other, clicks)
