"""The scene, as command lines of several programs name it."""

import argparse
from pathlib import Path

from load.scene import Ball, Clip, Pattern, Scene
from streamer.client import Point


def add_scene(parser: argparse.ArgumentParser) -> None:
    """Options for take_scene()."""
    usual = Pattern()
    parser.add_argument("--scene", default="ball", help="ball, stripes, or the file of a film")
    parser.add_argument("--click", help="X,Y in 0..1, on the object of a film's first picture")
    parser.add_argument("--width", type=int, default=usual.width)
    parser.add_argument("--height", type=int, default=usual.height)
    parser.add_argument("--fps", type=int, default=usual.fps)
    parser.add_argument("--output", help="a mode, as overlay or masks")


def take_scene(given: argparse.Namespace) -> Scene:
    """Takes the options out. Raises ValueError for a click that is none."""
    options = vars(given)
    name, click = options.pop("scene"), options.pop("click")
    sent = {key: options.pop(key) for key in ("width", "height", "fps", "output")}
    if name == "ball":
        return Ball(**sent)
    if name == "stripes":
        return Pattern(**sent)
    x, y = (float(part) for part in (click or "0.5,0.5").split(","))
    return Clip(**sent, path=Path(name), click=Point(x, y))
