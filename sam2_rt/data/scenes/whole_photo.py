"""Annotated photographs, at rest or under a moving camera, perhaps with actors in front."""

from numpy.random import Generator

from sam2_rt.data.scenes.actors import Stage, draw_actors, draw_doubles, draw_size
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.layered import bend_backdrop, draw_look
from sam2_rt.data.scenes.motion import draw_tempo
from sam2_rt.data.scenes.photos import mirror
from sam2_rt.data.scenes.scene import Actor, Format, Scene, make_scene
from sam2_rt.data.scenes.window import draw_window


def draw_whole_photo(rng: Generator, cast: Cast, form: Format) -> Scene | None:
    """A window on a photograph around one of its objects; None if there are no photographs.

    One in three has something moving in front: objects of the photograph, cut out, or others.
    """
    photo = cast.masked.draw(rng)
    if photo is None:
        return None
    if rng.random() < 0.5:
        photo = mirror(photo)
    tempo = draw_tempo(rng, form.num_frames, form.difficulty)
    window = draw_window(rng, photo, form, tempo)
    backdrop = window.backdrop(photo)
    stage = Stage(rng, cast, form, window.camera, photo.rgb, tempo)
    if form.num_frames > 1 and rng.random() < 0.4:
        backdrop = bend_backdrop(rng, backdrop, form, stage.draw_turns())
    actors: list[Actor] = []
    kind = rng.random()
    if kind < 0.22:
        actors += draw_doubles(stage, photo)
    if kind < 0.07 or 0.22 < kind < 0.35:
        actors += draw_actors(stage, draw_size(rng, form.difficulty, 0.5))
    labels = (one.label for one in photo.objects)
    return make_scene(form, backdrop, labels, actors, draw_look(rng, form))
