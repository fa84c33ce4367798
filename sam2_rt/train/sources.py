"""Sources: which samples a run learns from, as plain values that a worker process can be sent."""

from dataclasses import dataclass
from pathlib import Path

from sam2_rt.data.folders import open_dataset
from sam2_rt.data.labelled_video import Dataset, Skipped
from sam2_rt.data.mixture import Mixture, body_source, scene_source, video_source
from sam2_rt.data.synthetic import SceneConfig


class NothingToLearn(ValueError):
    """No source has a share; the message says what to give."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Shares of the samples; called, it makes what makes them."""

    size: int
    scenes: float = 1.0
    """Share of made-up 2D scenes, with pictures of the folders."""
    plain: float = 0.0
    """Share of such scenes without any, at the highest difficulty."""
    bodies: float = 0.0
    """Share of made-up 3D bodies: needs MuJoCo and a GL library."""
    real: float = 0.0
    """Share of annotated videos, spread evenly over the folders."""
    datasets: tuple[Path, ...] = ()
    photos: tuple[Path, ...] = ()
    masks: tuple[Path, ...] = ()
    cutouts: tuple[Path, ...] = ()
    difficulty: float = 1.0
    num_frames: int = 1
    """Of the longest clips: videos with fewer annotated frames are left out."""

    def __post_init__(self) -> None:
        if self.scenes + self.plain + self.bodies + self.real <= 0:
            raise NothingToLearn("no source has a share: scenes, plain, bodies and real are all 0")
        if (self.real > 0) != bool(self.datasets):
            raise NothingToLearn("folders of annotated videos and their share come together")

    def __call__(self) -> Mixture:
        """Opens folders and textures.

        Raises NothingUsable for a folder without a video, NoRenderer without GL.
        """
        sources = []
        if self.scenes > 0:
            config = SceneConfig(
                self.size,
                photo_folders=self.photos,
                mask_folders=self.masks,
                cutout_folders=self.cutouts,
                difficulty=self.difficulty,
            )
            sources.append(scene_source(self.scenes, config))
        if self.plain > 0:
            sources.append(scene_source(self.plain, SceneConfig(self.size)))
        if self.bodies > 0:
            sources.append(body_source(self.bodies, self.size, self.photos))
        for folder in self.datasets:
            share = self.real / len(self.datasets)
            sources.append(video_source(folder.name, share, self._open(folder), self.size))
        return Mixture(sources)

    def skipped(self) -> tuple[Skipped, ...]:
        """Videos that cannot be used, as far as can be told without reading them."""
        return tuple(s for folder in self.datasets for s in self._open(folder).skipped)

    def _open(self, folder: Path) -> Dataset:
        return open_dataset(folder).at_least(self.num_frames)
