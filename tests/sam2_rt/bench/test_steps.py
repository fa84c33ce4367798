import pytest
import torch

from sam2_rt.bench.steps import PeerSteps, Steps, clicks_of, ious
from sam2_rt.bench.wanted import Peer


def test_the_ratio_is_to_the_fastest_peer():
    assert Steps(10.0, {}).ratio is None
    slow, fast = PeerSteps(40.0, 4.0, 1.0), PeerSteps(25.0, 2.5, 1.0)
    assert Steps(10.0, {Peer.TRANSFORMERS: slow, Peer.SAM2: fast}).ratio == 2.5


def test_clicks_lie_side_by_side():
    assert clicks_of(2) == [(0.25, 0.5), (0.75, 0.5)]


def test_of_two_empty_masks_nothing_is_said():
    a = torch.tensor([[[1.0, -1.0]], [[-1.0, -1.0]]])
    b = torch.tensor([[[1.0, 1.0]], [[-1.0, -1.0]]])
    assert ious(a, b) == [pytest.approx(0.5)]
