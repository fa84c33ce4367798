from typing import Any

import numpy as np
import pytest

from sam2_rt.data.scenes.photos import photo_bank
from sam2_rt.data.worlds.stage import MAX_ACTORS, MIN_ACTORS, World, draw_world, play


def world_of(mujoco: Any, seed: int) -> World:
    return draw_world(mujoco, np.random.default_rng(seed), photo_bank(()))


def test_worlds_have_three_to_eight_actors_each_of_its_own_geoms(mujoco: Any):
    counts = set()
    for seed in range(25):
        world = world_of(mujoco, seed)
        counts.add(len(world.actors))
        geoms = [geom for own in world.geoms for geom in own]
        assert len(set(geoms)) == len(geoms)
        for actor, own in zip(world.actors, world.geoms, strict=True):
            assert len(own) == len(actor.figure.limbs)
            assert len(set(world.model.body_rootid[world.model.geom_bodyid[list(own)]])) == 1
    assert min(counts) >= MIN_ACTORS
    assert max(counts) == MAX_ACTORS


def test_twins_look_alike_and_others_do_not(mujoco: Any):
    alike = 0
    for seed in range(20):
        world = world_of(mujoco, seed)
        looks = [frozenset(world.model.geom_matid[list(own)].tolist()) for own in world.geoms]
        for i, one in enumerate(world.actors):
            for j, other in enumerate(world.actors[:i]):
                assert (one.look == other.look) == (looks[i] == looks[j])
                alike += one.look == other.look
    assert alike > 5


@pytest.mark.parametrize("frame_s", [0.02, 0.2])
def test_the_same_seed_gives_the_same_play(mujoco: Any, frame_s: float):
    one, same = (
        play(mujoco, np.random.default_rng(1), world_of(mujoco, 4), 5, frame_s) for _ in range(2)
    )
    np.testing.assert_array_equal(one.poses, same.poses)
    np.testing.assert_array_equal(one.places, same.places)
    assert one.places.shape == (5, len(one.radii), 3)


def test_free_bodies_move_others_stand_and_none_falls_through_the_ground(mujoco: Any):
    moved, stood = [], []
    for seed in range(15):
        world = world_of(mujoco, seed)
        action = play(mujoco, np.random.default_rng(seed), world, 6, 0.15)
        assert np.isfinite(action.poses).all()
        assert (action.radii > 0.05).all()
        for index, actor in enumerate(world.actors):
            way = np.linalg.norm(np.ptp(action.places[:, index], axis=0))
            (moved if actor.is_free else stood).append(float(way))
        if not world.model.opt.gravity.any():
            continue
        free = [a.is_free for a in world.actors]
        assert (action.places[:, free, 2] > -0.1).all()
    assert np.median(moved) > 0.1
    assert np.median(stood) < 0.1


def test_living_limbs_bend(mujoco: Any):
    bent, targets = 0, []
    for seed in range(6):
        world = world_of(mujoco, seed)
        action = play(mujoco, np.random.default_rng(seed), world, 6, 0.1)
        hinges = world.model.jnt_qposadr[world.model.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE)]
        bent += int((np.ptp(action.poses[:, hinges], axis=0) > 0.2).sum())
        targets += world.model.qpos_spring[hinges].tolist()
    assert bent > 10
    assert 0.3 < np.mean(np.array(targets) != 0) < 0.9  # some are alive, some are not
