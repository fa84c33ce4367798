import pytest
import torch
from peer_agreement import TWO_CLICKS, check_agreement

from sam2_rt.model.config import TINY, ModelConfig
from sam2_rt.model.sam2 import SAM2
from sam2_rt.peer_transformers import PeerTracker, build_peer
from seeded import SMALL_HIERA, seed_


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(SMALL_HIERA, image_size=64, memory_layers=1, feedforward_dim=64),
        ModelConfig(TINY, image_size=256),
        ModelConfig(TINY, image_size=512, version="2.0"),
    ],
)
def test_a_peer_encodes_a_frame_as_the_model_does(config: ModelConfig):
    torch.manual_seed(0)
    model = SAM2(config).eval()
    peer = build_peer(config, model.state_dict())
    pixels = torch.randn(1, 3, config.image_size, config.image_size)
    with torch.inference_mode():
        embedding = model.encode_image(pixels)
        *levels, feature = peer.get_image_features(pixels).fpn_hidden_states
    assert not peer.training
    assert feature.shape[-1] == config.dim
    for ours, theirs in zip(
        (*embedding.high_resolution, embedding.feature), (*levels, feature), strict=True
    ):
        torch.testing.assert_close(ours[0].flatten(1).T, theirs[:, 0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("version", ["2.1", "2.0"])
def test_the_tracker_agrees_with_the_streaming_peer(version: str):
    model = seed_(SAM2(ModelConfig(TINY, version, image_size=128)))
    peer = PeerTracker(build_peer(model.config, model.state_dict()), TWO_CLICKS)
    check_agreement(model, peer, TWO_CLICKS)
