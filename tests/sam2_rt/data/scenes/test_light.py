import numpy as np

from sam2_rt.data.scenes.light import Light, Shadow, draw_light, draw_shadow

FRAME = np.full((60, 60, 3), 100, np.uint8)


def test_light_of_gain_one_changes_nothing():
    assert (Light(np.full((1, 3, 3), 128, np.uint8)).shine(FRAME, 0) == FRAME).all()


def test_light_is_smooth_and_bounded_over_time():
    lights = [draw_light(np.random.default_rng(seed), 8) for seed in range(60)]
    drawn = [light for light in lights if light is not None]
    assert 10 < len(drawn) < 35
    for light in drawn:
        steps = np.abs(np.diff(light.fields.astype(int), axis=0))
        assert steps.max() < 40
        assert light.shine(FRAME, 7).shape == FRAME.shape


def test_a_shadow_falls_beside_its_sprite():
    alpha = np.zeros((60, 60), np.uint8)
    alpha[20:40, 20:40] = 255
    shadow = Shadow((8, 0), 3, 0.5)
    fallen = shadow.fall(FRAME, alpha)
    assert (fallen[22:38, 30:46] == 50).all()
    assert (fallen[:, :24] == 100).all()
    assert shadow.reach == 11


def test_some_clips_have_shadows():
    drawn = [draw_shadow(np.random.default_rng(seed), 256) for seed in range(60)]
    assert 10 < sum(one is not None for one in drawn) < 35
