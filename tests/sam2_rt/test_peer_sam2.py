from dataclasses import replace

import pytest
import torch
from peer_agreement import TWO_CLICKS, check_agreement, frames

from sam2_rt.model.config import LARGE, NANO, TINY, ModelConfig
from sam2_rt.model.sam2 import SAM2
from sam2_rt.peer_sam2 import PeerTracker, build_peer, overrides
from seeded import SMALL_HIERA, seed_

SMALLEST = ModelConfig(SMALL_HIERA, image_size=64, memory_layers=1)


@pytest.fixture(autouse=True)
def _is_here() -> None:
    pytest.importorskip("sam2", reason="tests/sam2_rt/peer_sam2.txt is not installed")


@pytest.mark.parametrize("config", [SMALLEST, ModelConfig(TINY, "2.0", image_size=128)])
def test_meta_s_package_encodes_a_frame_as_the_model_does(config: ModelConfig):
    torch.manual_seed(0)
    model = SAM2(config).eval()
    peer = build_peer(config, model.state_dict())
    pixels = torch.randn(1, 3, config.image_size, config.image_size)
    with torch.inference_mode():
        embedding = model.encode_image(pixels)
        *levels, feature = peer.forward_image(pixels)["backbone_fpn"]
    assert not peer.training
    for ours, theirs in zip(
        (*embedding.high_resolution, embedding.feature), (*levels, feature), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("version", ["2.1", "2.0"])
def test_the_tracker_agrees_with_meta_s_package_frame_by_frame(version: str):
    model = seed_(SAM2(ModelConfig(SMALL_HIERA, version, image_size=128)))
    peer = PeerTracker(build_peer(model.config, model.state_dict()), TWO_CLICKS)
    check_agreement(model, peer, TWO_CLICKS)


def test_several_trackers_step_one_model_without_mixing():
    model = seed_(SAM2(SMALLEST))
    peer = build_peer(SMALLEST, model.state_dict())
    clicks = [(0.3, 0.4)], [(0.8, 0.6)]
    together = [PeerTracker(peer, click) for click in clicks]
    answers = [[one.step(pixels) for one in together] for _, pixels in frames(64, 3)]
    for number, click in enumerate(clicks):
        alone = PeerTracker(peer, click)
        for (_, pixels), masks in zip(frames(64, 3), answers, strict=True):
            torch.testing.assert_close(alone.step(pixels), masks[number])


def test_the_predictor_that_is_compiled_gives_the_same_masks(monkeypatch: pytest.MonkeyPatch):
    """Without compiling, which takes minutes: its own code around what it compiles."""
    compiled: list[object] = []
    monkeypatch.setattr(torch, "compile", lambda call, **_: compiled.append(call) or call)
    weights = seed_(SAM2(SMALLEST)).state_dict()
    clicks = [(0.5, 0.5)]
    plain = PeerTracker(build_peer(SMALLEST, weights), clicks)
    optimised = PeerTracker(build_peer(SMALLEST, weights, is_compiled=True), clicks)
    assert len(compiled) >= 4
    for _, pixels in frames(64, 3):
        torch.testing.assert_close(optimised.step(pixels), plain.step(pixels))


def test_bfloat16_is_autocast_s():
    model = seed_(SAM2(SMALLEST))
    peer = build_peer(SMALLEST, model.state_dict())
    exact, rounded = (PeerTracker(peer, [(0.5, 0.5)], t) for t in (torch.float32, torch.bfloat16))
    seen: list[torch.dtype] = []
    peer.memory_encoder.register_forward_hook(
        lambda *call: seen.append(call[2]["vision_features"].dtype)
    )
    for _, pixels in frames(64, 2):
        a, b = exact.step(pixels), rounded.step(pixels)
        assert a.shape == b.shape == (1, 16, 16)
        assert not torch.equal(a, b)
    assert set(seen) == {torch.float32, torch.bfloat16}
    assert next(peer.parameters()).dtype == torch.float32


def test_the_trunk_is_told_by_its_differences():
    words = overrides(ModelConfig(LARGE, image_size=512))
    assert "++model.image_encoder.trunk.stages=[2, 6, 36, 4]" in words
    assert "++model.image_encoder.neck.backbone_channel_list=[1152, 576, 288, 144]" in words
    assert "++model.memory_attention.layer.cross_attention.feat_sizes=[32, 32]" in words


@pytest.mark.parametrize("config", [NANO, replace(ModelConfig(TINY), dim=128)])
def test_a_model_that_it_cannot_hold_is_refused(config: ModelConfig):
    with pytest.raises(ValueError, match="256, 64 and 2048, not 128, 64 and"):
        build_peer(config, {})
