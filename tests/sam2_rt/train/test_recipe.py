import pytest

from sam2_rt.train.recipe import Recipe, Stage


def test_the_rate_warms_up_and_falls_along_a_cosine():
    stage = Stage(1, 4, steps=300, lr=1e-3, final_share=0.1, warmup=100)
    assert stage.lr_at(0) == pytest.approx(1e-5)
    assert stage.lr_at(99) == stage.lr_at(100) == pytest.approx(1e-3)
    assert stage.lr_at(200) == pytest.approx(5.5e-4)
    assert stage.lr_at(299) == pytest.approx(1e-4, rel=1e-2)
    assert all(stage.lr_at(i) > stage.lr_at(i + 1) for i in range(100, 299))


def test_a_step_belongs_to_its_stage():
    recipe = Recipe(stages=(Stage(1, 4, 10), Stage(2, 4, 5)))
    assert recipe.num_steps == 15
    assert recipe.at(9) == (0, recipe.stages[0], 9)
    assert recipe.at(10) == (1, recipe.stages[1], 0)
    with pytest.raises(ValueError, match="beyond the last of 15"):
        recipe.at(15)


def test_long_clips_leave_batch_statistics_alone():
    assert [Stage(n, 1, 1).holds_norms for n in (1, 2, 4, 8)] == [False, False, True, True]
