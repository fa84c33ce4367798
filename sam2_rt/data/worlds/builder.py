"""Builder: figures, ground, walls and lights -> a compiled MuJoCo model. Metres and seconds."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.photos import Bank, Photo
from sam2_rt.data.worlds.figure import Figure, Limb, Shape
from sam2_rt.data.worlds.look import Picture, draw_cube, draw_picture, draw_surface
from sam2_rt.data.worlds.mesh import lathe, ring, rock

STEP_S: Final = 0.005
"""Of the simulation."""

_DENSITY: Final = 300.0  # kg a cubic metre: wood and plastic
_MESHES: Final = {Shape.LATHE: lathe, Shape.ROCK: rock, Shape.RING: ring}

Library = Any
"""The mujoco module, or an object of it; it has no types."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A figure at its place."""

    figure: Figure
    size: float
    place: tuple[float, float, float]
    turned: tuple[float, float, float, float]
    """Quaternion."""
    is_free: bool
    """Whether it moves or stands like a rock."""
    look: int
    """Actors of one number look the same."""


class Builder:
    """Collects one model; compile() at the end."""

    def __init__(self, mujoco: Library, rng: Generator, photos: Bank[Photo]) -> None:
        self._mj = mujoco
        self._rng = rng
        self._photos = photos
        self._looks: dict[int, tuple[str, ...]] = {}
        self._num_names = 0
        self.spec = mujoco.MjSpec()
        self.spec.option.timestep = STEP_S
        self.spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
        self.spec.visual.quality.offsamples = 0
        # The shadow map is most of the time of a picture: 4096 takes 80 ms more than 1024. It
        # reaches 7 m to each side; the ground behind its rim would be sprinkled with black.
        self.spec.visual.quality.shadowsize = 1024
        self.spec.visual.map.shadowclip = 1.75
        self.spec.visual.global_.offwidth = self.spec.visual.global_.offheight = 1024
        # With a focal length of 1, its sensor's size is that of the view one unit ahead.
        self.spec.worldbody.add_camera(
            name="eye", sensor_size=(1, 1), focal_length=(1, 1), resolution=(1, 1)
        )
        self.spec.stat.extent, self.spec.stat.center = 4.0, (0, 0, 0.5)

    def compile(self) -> Library:
        """The model."""
        return self.spec.compile()

    def add_ground(self) -> None:
        """A plane at height 0."""
        material = self._add_material(self._picture(256), repeat=float(self._rng.uniform(0.15, 1)))
        self.spec.worldbody.add_geom(
            type=self._mj.mjtGeom.mjGEOM_PLANE,
            size=(0, 0, 0.1),
            material=material,
            friction=(self._rng.uniform(0.2, 1), 0.005, 0.001),
        )

    def add_sky(self) -> None:
        """A picture at infinity."""
        side = 128
        faces = np.concatenate([self._picture(side)] * 4 + [self._picture(side)] * 2)
        self._add_texture(faces, self._mj.mjtTexture.mjTEXTURE_SKYBOX)

    def add_walls(self, distance: float) -> None:
        """Four walls around the middle, each with a picture of its own."""
        for turn in range(4):
            angle = turn * math.pi / 2
            self.spec.worldbody.add_geom(
                type=self._mj.mjtGeom.mjGEOM_PLANE,
                size=(distance, distance, 0.1),
                pos=(distance * math.cos(angle), distance * math.sin(angle), distance * 0.5),
                quat=_towards((-math.cos(angle), -math.sin(angle), 0)),
                material=self._add_material(self._picture(256), repeat=0.12),
            )

    def add_lights(self) -> None:
        """One to three; the first throws shadows."""
        rng, light = self._rng, self.spec.visual.headlight
        light.ambient = (float(rng.uniform(0.25, 0.5)),) * 3
        light.diffuse = (float(rng.uniform(0.0, 0.35)),) * 3
        light.specular = (0.1,) * 3
        for index in range(int(rng.integers(1, 4))):
            angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 0.65) / (1 + index)
            slope = rng.uniform(0.1, 1.2)
            colour = np.clip(1 + rng.normal(0, 0.1, 3), 0.6, 1.3) * strength
            way = np.array((slope * math.cos(angle), slope * math.sin(angle), -1.0))
            self.spec.worldbody.add_light(
                type=self._mj.mjtLightType.mjLIGHT_DIRECTIONAL,
                pos=tuple(-4 * way),
                dir=tuple(way),
                diffuse=tuple(colour),
                specular=tuple(colour * 0.4),
                castshadow=index == 0 and rng.random() < 0.9,
            )

    def add_actor(self, index: int, actor: Actor) -> None:
        """Its limbs are geoms "INDEX.LIMB"; actors do not collide with themselves."""
        materials = self._dress(actor.look)
        bodies: list[Library] = []
        for number, limb in enumerate(actor.figure.limbs):
            if limb.parent < 0:
                body = self.spec.worldbody.add_body(pos=actor.place, quat=actor.turned)
                if actor.is_free:
                    body.add_freejoint()
                middle = (0.0, 0.0, 0.0)
            else:
                body = self._hang(bodies[limb.parent], actor, limb)
                middle = (0.0, 0.0, limb.half[2] * actor.size * 0.9)
            bodies.append(body)
            self._add_geom(body, limb, actor.size, middle)
            geom = body.geoms[-1]
            geom.name = f"{index}.{number}"
            geom.material = materials[number % len(materials)]
            geom.contype, geom.conaffinity = 1 << index, (1 << 16) - 1 - (1 << index)

    def _hang(self, parent: Library, actor: Actor, limb: Limb) -> Library:
        """A body at the end of another; the middle of a limb is 0.9 half lengths from its root."""
        lift = 0.0
        index = actor.figure.limbs[limb.parent]
        if index.parent >= 0:
            lift = index.half[2] * 0.9
        at = (limb.at[0], limb.at[1], limb.at[2] + lift)
        body = parent.add_body(pos=tuple(actor.size * x for x in at), quat=_towards(limb.way))
        if limb.bends:
            angle = self._rng.uniform(0, math.pi)
            # Stiff enough to carry three times its weight, so that limbs neither droop nor ring.
            mass = _DENSITY * 8 * 0.6 * math.prod(limb.half) * actor.size**3
            stiffness = max(3 * mass * 9.81 * limb.half[2] * actor.size * 2, 0.02)
            body.add_joint(
                type=self._mj.mjtJoint.mjJNT_HINGE,
                axis=(math.cos(angle), math.sin(angle), 0),
                range=(-70, 70),
                limited=True,
                stiffness=stiffness,
                damping=stiffness * 0.12,
                armature=1e-4,
            )
        return body

    def _add_geom(
        self, body: Library, limb: Limb, size: float, middle: tuple[float, float, float]
    ) -> None:
        a, b, c = (max(size * side, 0.01) for side in limb.half)
        kinds = self._mj.mjtGeom
        sizes = {
            Shape.BOX: (kinds.mjGEOM_BOX, (a, b, c)),
            Shape.BALL: (kinds.mjGEOM_ELLIPSOID, (a, b, c)),
            Shape.CAPSULE: (kinds.mjGEOM_CAPSULE, (a, max(c - a, 0.3 * a), 0)),
            Shape.CYLINDER: (kinds.mjGEOM_CYLINDER, (a, c, 0)),
        }
        if limb.shape in sizes:
            kind, extent = sizes[limb.shape]
            body.add_geom(type=kind, size=extent, pos=middle, density=_DENSITY)
            return
        shape = _MESHES[limb.shape](self._rng)
        mesh = self.spec.add_mesh(name=self._name("mesh"))
        mesh.uservert = (shape.vertices * (a, b, c)).ravel()
        mesh.userface = shape.faces.ravel()
        mesh.inertia = self._mj.mjtMeshInertia.mjMESH_INERTIA_CONVEX
        body.add_geom(type=kinds.mjGEOM_MESH, meshname=mesh.name, pos=middle, density=_DENSITY)

    def _dress(self, look: int) -> tuple[str, ...]:
        """One material for all limbs or a few that alternate."""
        if look not in self._looks:
            count = 1 if self._rng.random() < 0.4 else int(self._rng.integers(2, 4))
            one = self._picture(2 * 96)
            pictures = [
                one if self._rng.random() < 0.3 else self._picture(192) for _ in range(count)
            ]
            self._looks[look] = tuple(
                self._add_material(draw_cube(self._rng, picture), is_cube=True)
                for picture in pictures
            )
        return self._looks[look]

    def _picture(self, side: int) -> Picture:
        return draw_picture(self._rng, self._photos, side, side)

    def _add_material(
        self,
        picture: Picture,
        repeat: float = 1.0,
        *,
        is_cube: bool = False,
    ) -> str:
        kinds = self._mj.mjtTexture
        surface = draw_surface(self._rng)
        material = self.spec.add_material(
            name=self._name("material"),
            specular=surface.specular,
            shininess=surface.shininess,
            texuniform=not is_cube,
            texrepeat=(repeat, repeat),
        )
        texture = self._add_texture(
            picture, kinds.mjTEXTURE_CUBE if is_cube else kinds.mjTEXTURE_2D
        )
        material.textures[self._mj.mjtTextureRole.mjTEXROLE_RGB] = texture
        return material.name

    def _add_texture(self, picture: Picture, kind: Library) -> str:
        texture = self.spec.add_texture(name=self._name("texture"), type=kind, nchannel=3)
        texture.height, texture.width = picture.shape[:2]
        texture.data = np.ascontiguousarray(picture).tobytes()
        return texture.name

    def _name(self, kind: str) -> str:
        self._num_names += 1
        return f"{kind} {self._num_names}"


def _towards(way: tuple[float, float, float]) -> NDArray[np.float64]:
    """The quaternion that turns z to a direction of length 1."""
    x, y, z = way
    if z < -0.9999:
        return np.array((0.0, 1.0, 0.0, 0.0))
    turned = np.array((1 + z, -y, x, 0.0))
    return turned / np.linalg.norm(turned)
