"""A scene as the file of a browser's fake camera: Y4M, which Chromium plays again and again."""

from pathlib import Path

from load.scene import Scene


def write_camera(scene: Scene, path: Path) -> None:
    """One round of the scene, each picture with its number in the round (load.picture_code)."""
    with path.open("wb") as file:
        size = f"W{scene.width} H{scene.height} F{scene.fps}:1"
        file.write(f"YUV4MPEG2 {size} Ip A1:1 C420jpeg\n".encode())
        for index in range(len(scene.round())):
            file.write(b"FRAME\n" + scene.frame(index).to_ndarray().tobytes())
