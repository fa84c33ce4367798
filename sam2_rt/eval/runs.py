"""Runs: what each command does, from the folder to the report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from sam2_rt.data.synthetic import SceneConfig, SceneMaker
from sam2_rt.eval.arithmetic import Agreement, Twins
from sam2_rt.eval.baselines import CopyFollower, FlowFollower
from sam2_rt.eval.follower import AS_PUBLISHED, AS_SERVED, Begin, Follower, ModelFollower
from sam2_rt.eval.image import MadeUpPictures, PictureFolder, Pictures
from sam2_rt.eval.interactive import REMEMBERS_ALL
from sam2_rt.eval.interactive_suite import OFFLINE, ONLINE, run_interactive
from sam2_rt.eval.plot import write_plot
from sam2_rt.eval.portraits import LEGEND, Wanted, look_at
from sam2_rt.eval.record import Number
from sam2_rt.eval.report import Report
from sam2_rt.eval.sheet import Worst, write_sheet
from sam2_rt.eval.sources import FIRST_UNSEEN_SEED, Folder, MadeUp, NothingToScore, Source
from sam2_rt.eval.streaming import DELIVERIES
from sam2_rt.eval.suites import (
    VosResult,
    run_image,
    run_stream,
    run_vos,
)
from sam2_rt.eval.tables import (
    curves_of,
    show_absence,
    show_image,
    show_interactive,
    show_streams,
    show_vos,
)
from sam2_rt.eval.views import with_gaps
from sam2_rt.eval.vos import Told
from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.tracker import TrackerConfig

BASELINES: Final[tuple[tuple[str, Begin], ...]] = (("copy", CopyFollower), ("flow", FlowFollower))


@dataclass(frozen=True, slots=True)
class Scenes:
    """Which made-up clips are wanted."""

    clips: int
    frames: int
    """Of each clip."""
    size: int
    """Side of a frame, pixels."""
    difficulty: float = 0.5
    """As in SceneConfig; at 1 many things jump by their own size from one frame to the next."""

    def maker(self) -> SceneMaker:
        """Of clips without photographs, so that they are the same on every machine."""
        return SceneMaker(SceneConfig(self.size, self.frames, difficulty=self.difficulty))


def vos(report: Report, source: Source, told: Told, *, with_baselines: bool) -> None:
    """Each object is told of once and followed to the end."""
    model = _load(report)
    worst = Worst()
    begin = _begin(model, source)
    results = [run_vos(report.subject.name, begin, source, told, worst)]
    if with_baselines:
        results += run_baselines(source, "" if told is Told.MASK else " by mask")
    title = f"{report.subject.name}, {_told_in_words(told)}"
    suite = f"VOS, {_told_in_words(told)}"
    report.tell(suite, show_vos(results, title), _left_out(results[0]))
    report.draw(f"vos {told}", worst)


def arithmetic(report: Report, source: Source) -> None:
    """The same objects in bfloat16 and in float32, each told of once by its mask."""
    exact = _load(report)
    rounded = zoo.cast(report.subject.load(), torch.bfloat16)
    agreement = Agreement()
    begin_exact, begin_rounded = _begin(exact, source), _begin(rounded, source)

    def twins(num_objects: int) -> Follower:
        return Twins(begin_rounded(num_objects), begin_exact(num_objects), agreement)

    results = [run_vos("bfloat16", twins, source), run_vos("float32", begin_exact, source)]
    shown = show_vos(results, f"{report.subject.name} in bfloat16")
    numbers = (Number("mean IoU", agreement.mean), Number("median IoU", agreement.median))
    report.tell("bfloat16 beside float32", shown._replace(numbers=shown.numbers + numbers))
    if agreement.mean is None or agreement.median is None:
        report.note("IoU with float32: neither had a mask in any frame")
    else:
        report.note(f"IoU with float32: mean {agreement.mean:.4f}, median {agreement.median:.4f}")


def image(report: Report, data: Path | None, scenes: Scenes) -> None:
    """Prompts to masks in a folder of pictures; None: in made-up stills."""
    pictures: Pictures
    if data is None:
        seeds = range(FIRST_UNSEEN_SEED, FIRST_UNSEEN_SEED + scenes.clips)
        pictures = MadeUpPictures(scenes.maker(), seeds)
    else:
        pictures = PictureFolder.open(data)
    model = _load(report)
    worst = Worst()
    result = run_image(_begin_overlapping(model), pictures, worst)
    what = "made-up stills" if data is None else "pictures"
    shown = show_image(result, f"{report.subject.name}, {what}")
    report.tell(f"prompts in {what}", shown, result.skipped)
    report.draw(what, worst)


def interactive(report: Report, source: Source, num_frames: int, *, both_ways: bool) -> None:
    """A user who corrects, offline and online."""
    begin = _begin(_load(report), source, REMEMBERS_ALL)
    worst = {OFFLINE: Worst(), ONLINE: Worst()}
    result = run_interactive(begin, source, num_frames, both_ways=both_ways, worst=worst)
    report.tell("interactive", show_interactive(result, report.subject.name), result.skipped)
    path = report.path("interactive")
    write_plot(path, report.subject.name, curves_of(result))
    report.note(f"the plot is in {path}")
    for mode, objects in worst.items():
        report.draw(f"interactive {mode}", objects)


def streaming(
    report: Report, folder: Folder, scenes: Scenes, seed: int, *, with_baselines: bool
) -> None:
    """Frames that are lost or rare; objects that go away, made up and cut away from."""
    # First, as there may be no such clips.
    away = MadeUp.returning(scenes.maker(), scenes.clips, scenes.frames)
    model = _load(report)
    begin = _begin(model, folder)
    baselines = BASELINES if with_baselines else ()
    worst = [Worst() for _ in DELIVERIES]
    ways = tuple(zip(DELIVERIES, worst, strict=True))
    own = [run_stream(begin, folder, delivery, seed, kept) for delivery, kept in ways]
    others = {
        method: [run_stream(begin, folder, delivery, seed) for delivery in DELIVERIES]
        for method, begin in baselines
    }
    streams = {report.subject.name: own, **others}
    shown = show_streams(streams, f"{report.subject.name}, first mask, J&F")
    report.tell("streaming", shown, own[0].skipped)
    for delivery, kept in ways:
        report.draw(f"streaming {delivery.name}", kept)
    if len(folder.videos) > 1:
        gaps = Folder(with_gaps(folder.videos), (), folder.may_overlap)
        what = "real clips that are cut away from"
        _tell_absence(report, model, gaps, what, with_baselines=with_baselines)
    else:
        report.note("a single video cannot be cut away from: there is no other to show", "yellow")
    what = "made-up clips in which objects come back"
    _tell_absence(report, model, away, what, with_baselines=with_baselines)


def made_up(report: Report, scenes: Scenes, *, with_baselines: bool) -> None:
    """VOS on made-up clips that no training has seen."""
    model = _load(report)
    worst = Worst()
    source = MadeUp.unseen(scenes.maker(), scenes.clips, scenes.frames)
    begin = _begin(model, source, AS_SERVED)
    results = [run_vos(report.subject.name, begin, source, worst=worst)]
    if with_baselines:
        results += run_baselines(source)
    shown = show_vos(results, f"{report.subject.name}, first mask")
    absence = show_absence([(r.method, r.absence) for r in results], "objects that go away")
    report.console.print(absence.table)
    report.tell("made-up clips", shown._replace(numbers=shown.numbers + absence.numbers))
    report.draw("scenes", worst)


def portraits(report: Report, wanted: Wanted) -> None:
    """One click on each clip, and what follows as a viewer of the service sees it."""
    model = _load(report)
    strips, skipped = look_at(wanted, lambda n: ModelFollower(model, n, AS_SERVED))
    for one in skipped:
        report.note(f"left out: {one}", "yellow")
    title = f"{report.subject.name}, one click"
    sheet = write_sheet(report.path("portraits"), title, strips, LEGEND)
    if sheet is None:
        raise NothingToScore("no clip could be read")
    report.note(f"{len(strips)} clips are in {sheet}: look at it")


def run_baselines(source: Source, suffix: str = "") -> list[VosResult]:
    """What needs no learning; always told of masks, whatever the model is told of."""
    return [run_vos(name + suffix, begin, source) for name, begin in BASELINES]


def _tell_absence(
    report: Report, model: SAM2, source: Source, what: str, *, with_baselines: bool
) -> None:
    worst = Worst()
    begin = _begin(model, source, AS_SERVED)
    results = [run_vos(report.subject.name, begin, source, worst=worst)]
    if with_baselines:
        results += run_baselines(source)
    shown = show_absence([(result.method, result.absence) for result in results], what)
    report.tell(f"absence, {what}", shown, _left_out(results[0]))
    report.draw(f"absence {what}", worst)


def _load(report: Report) -> SAM2:
    model = report.subject.load()
    report.warn_if_untrained()
    return model


def _begin(model: SAM2, source: Source, config: TrackerConfig = AS_PUBLISHED) -> Begin:
    may_overlap = source.may_overlap
    return lambda num_objects: ModelFollower(model, num_objects, config, may_overlap=may_overlap)


def _begin_overlapping(model: SAM2) -> Begin:
    """Each object by itself, as if it were the only one that is asked for."""
    return lambda num_objects: ModelFollower(model, num_objects, may_overlap=True)


def _left_out(result: VosResult) -> list[str]:
    """Videos and objects that have no score."""
    notes = [str(skipped) for skipped in result.skipped]
    if result.num_unscored:
        notes.append(f"{result.num_unscored} objects that no frame is left to score in")
    return notes


def _told_in_words(told: Told) -> str:
    return {Told.CLICK: "1 click", Told.CLICKS3: "3 clicks", Told.CLICKS5: "5 clicks"}.get(
        told, f"first {told}"
    )
