"""Results as tables for a terminal."""

from collections.abc import Sequence

from rich.table import Table

from sam2_rt.eval.suites import ImageResult, VosResult, mean_of
from sam2_rt.eval.vos import ObjectScore


def vos_table(results: Sequence[VosResult], told: str) -> Table:
    """A row a video and the mean over all objects; a column J&F for each further method."""
    first, *others = results
    table = Table(title=f"{first.method}, {told}")
    for heading in ("video", "objects", "J", "F", "J&F", *(other.method for other in others)):
        table.add_column(heading, justify="left" if heading == "video" else "right")
    for video in first.videos:
        also = [[o for o in other.objects if o.video == video.video] for other in others]
        table.add_row(video.video, *_numbers(video.objects), *(_jf(objects) for objects in also))
    table.add_section()
    also_all = [_jf(other.objects) for other in others]
    table.add_row("mean over objects", *_numbers(first.objects), *also_all, style="bold")
    return table


def image_table(result: ImageResult) -> Table:
    """A row a picture and the mean over all objects."""
    title = f"{len(result.objects)} objects, {result.num_small} too small"
    table = Table("picture", "objects", "1 click", "5 clicks", "box", title=title)
    pictures = sorted({score.picture for score in result.objects})
    for name, objects in [(n, [s for s in result.objects if s.picture == n]) for n in pictures] + [
        ("mean over objects", list(result.objects))
    ]:
        means = (
            mean_of([s.click for s in objects]),
            mean_of([s.clicks5 for s in objects]),
            mean_of([s.box for s in objects]),
        )
        table.add_row(name, str(len(objects)), *(f"{mean:.3f}" for mean in means))
    return table


def _numbers(objects: Sequence[ObjectScore]) -> tuple[str, str, str, str]:
    js, fs = [score.j for score in objects], [score.f for score in objects]
    return str(len(objects)), f"{mean_of(js):.3f}", f"{mean_of(fs):.3f}", _jf(objects)


def _jf(objects: Sequence[ObjectScore]) -> str:
    return f"{mean_of([score.jf for score in objects]):.3f}"
