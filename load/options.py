"""The scene, as command lines of several programs name it."""

import argparse
import math
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
    """Takes the options out. Ends the program, with words, for those that name nothing."""
    options = vars(given)
    name, click = options.pop("scene"), options.pop("click")
    sent = {key: options.pop(key) for key in ("width", "height", "fps", "output")}
    if name == "ball":
        return Ball(**sent)
    if name == "stripes":
        return Pattern(**sent)
    if not Path(name).is_file():
        raise SystemExit(f"--scene {name}: neither ball nor stripes nor a file")
    return Clip(**sent, path=Path(name), click=_point(click or "0.5,0.5"))


def _point(text: str) -> Point:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        x = y = math.nan
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise SystemExit(f"--click {text}: not X,Y in 0..1")
    return Point(x, y)
