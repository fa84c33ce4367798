import pytest

from sam2_rt.model.config import TINY, ModelConfig


@pytest.mark.parametrize("image_size", [0, -32, 100, 1000])
def test_a_size_that_32_does_not_divide_is_refused(image_size: int):
    with pytest.raises(ValueError, match=str(image_size)):
        ModelConfig(TINY, image_size=image_size)


def test_another_size_leaves_the_rest():
    config = ModelConfig(TINY)
    assert config.at(None) is config
    assert config.at(512).grid == 32
    assert config.at(512).at(1024) == config
