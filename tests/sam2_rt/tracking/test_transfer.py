import pytest
import torch

from sam2_rt.tracking.transfer import receive, send, send_numbers


def test_what_is_sent_is_what_was_there():
    cpu = torch.device("cpu")
    assert send_numbers([(1, 2), (3, 4)], cpu).tolist() == [[1, 2], [3, 4]]
    assert send_numbers([0.5], cpu).dtype == torch.float32
    tensor = torch.arange(3)
    assert send(tensor, cpu) is tensor


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_sending_does_not_wait_for_the_device():
    torch.cuda.set_sync_debug_mode("error")
    try:
        sent = send_numbers([(1, 2), (3, 4)], torch.device("cuda"))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert sent.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "name",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
            ],
        ),
    ],
)
def test_what_is_received_is_what_was_there(name):
    tensors = [torch.arange(6, device=name).reshape(2, 3), torch.ones(4, device=name) > 0]
    received = receive(tensors)
    assert [tensor.tolist() for tensor in received] == [[[0, 1, 2], [3, 4, 5]], [True] * 4]
    assert all(tensor.device.type == "cpu" for tensor in received)
    assert receive([]) == []
