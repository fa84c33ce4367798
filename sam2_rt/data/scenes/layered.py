"""Layered scenes: actors with courses of their own over a background."""

from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.actors import Stage, draw_actors, draw_bust, draw_occluder, draw_size
from sam2_rt.data.scenes.affine import move, scale
from sam2_rt.data.scenes.camera import Camera, draw_camera
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.degrade import draw_flaws
from sam2_rt.data.scenes.light import draw_light, draw_shadow
from sam2_rt.data.scenes.motion import draw_tempo
from sam2_rt.data.scenes.resample import draw_bend
from sam2_rt.data.scenes.scene import Actor, Backdrop, Format, Look, Scene, make_scene
from sam2_rt.data.scenes.screen import MIN_FRAMES, draw_screen

MAX_ACTORS: Final = 8
OPEN_SCREENS: Final = 0.2
"""Share of the clips in which something is seen through a fence, grass or leaves for a while."""


def draw_layered(rng: Generator, cast: Cast, form: Format) -> Scene:
    """Two to eight actors over a background, fewer and larger ones in easy scenes."""
    stage = _set_stage(rng, cast, form)
    actors = _draw_company(stage)
    if rng.random() < 0.3 * form.difficulty:
        actors.append(draw_occluder(stage))
    if form.num_frames >= MIN_FRAMES and rng.random() < 0.1 + 0.2 * form.difficulty:
        actors.append(draw_screen(stage, actors[int(rng.integers(len(actors)))]))
    if form.num_frames >= MIN_FRAMES and rng.random() < OPEN_SCREENS:
        actors.append(draw_screen(stage, actors[int(rng.integers(len(actors)))], is_open=True))
    backdrop = _place_backdrop(stage.camera, stage.background)
    return make_scene(form, backdrop, (), actors, draw_look(rng, form))


def draw_portrait(rng: Generator, cast: Cast, form: Format) -> Scene | None:
    """A person large in front, as before a webcam; None if no photograph shows any."""
    stage = _set_stage(rng, cast, form)
    bust = draw_bust(stage)
    if not bust:
        return None
    actors = bust
    if form.num_frames >= MIN_FRAMES and rng.random() < 0.15:
        actors = [*bust, draw_screen(stage, bust[0], is_open=rng.random() < 0.3)]
    for _ in range(int(rng.integers(0, 3))):
        others = draw_actors(stage, draw_size(rng, form.difficulty, 0.5))
        actors = [*actors, *others] if rng.random() < 0.5 else [*others, *actors]
    backdrop = _place_backdrop(stage.camera, stage.background)
    return make_scene(form, backdrop, (), actors, draw_look(rng, form))


def draw_look(rng: Generator, form: Format) -> Look:
    """Light, shadows, motion blur and flaws; many clips have little of them."""
    shutter = rng.uniform(0.2, 0.6) if rng.random() < 0.3 * form.difficulty else 0.0
    return Look(
        flaws=draw_flaws(rng, form.difficulty),
        light=draw_light(rng, form.num_frames),
        shadow=draw_shadow(rng, form.size),
        shutter=float(shutter),
    )


def _set_stage(rng: Generator, cast: Cast, form: Format) -> Stage:
    tempo = draw_tempo(rng, form.num_frames, form.difficulty)
    camera = draw_camera(rng, form.num_frames, form.size, tempo.pace)
    return Stage(rng, cast, form, camera, cast.background(rng), tempo)


def _draw_company(stage: Stage) -> list[Actor]:
    """From back to front, mostly the larger ones behind."""
    rng, difficulty = stage.rng, stage.form.difficulty
    count = 2 + int(rng.integers(0, 2 + round(4 * difficulty)))
    largest = 0.85 if count <= 3 else 0.7
    sizes = [draw_size(rng, difficulty, largest) for _ in range(count)]
    if rng.random() < 0.7:
        sizes.sort(reverse=True)
    actors: list[Actor] = []
    for size in sizes:
        actors += draw_actors(stage, size)
    return actors[:MAX_ACTORS]


def _place_backdrop(camera: Camera, background: NDArray[np.uint8]) -> Backdrop:
    """Laid out so that it covers all that the camera sees."""
    height, width = background.shape[:2]
    x0, y0, x1, y1 = camera.seen_world()
    factor = max((x1 - x0) / width, (y1 - y0) / height)
    laid = move(((x0 + x1) / 2, (y0 + y1) / 2)) @ scale(factor) @ move((-width / 2, -height / 2))
    return Backdrop(background, camera.matrices() @ laid)


def bend_backdrop(rng: Generator, backdrop: Backdrop, form: Format, turns: float) -> Backdrop:
    """The same, but the picture itself bends: what is on it moves and changes its form."""
    reach = max(backdrop.rgb.shape) * rng.uniform(0.01, 0.035)
    bend = draw_bend(rng, form.num_frames, reach, turns)
    return Backdrop(backdrop.rgb, backdrop.matrices, backdrop.ids, bend)
