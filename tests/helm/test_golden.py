import golden
import pytest

from rendered import SHAPES


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_renders_what_was_looked_at(name: str):
    """After a change that is meant: python tests/helm/golden.py, and read the diff."""
    assert golden.text(name) == (golden.GOLDEN / f"{name}.yaml").read_text()


def test_there_is_no_golden_file_of_a_shape_that_is_gone():
    assert sorted(path.stem for path in golden.GOLDEN.glob("*.yaml")) == SHAPES
