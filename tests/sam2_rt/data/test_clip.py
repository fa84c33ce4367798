import struct
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sam2_rt.data.clip import Clip, ClipError, open_clip, read_mask_png, write_palette_png

GREYS = (40, 90, 140, 190, 240)


def grey(value: int, width: int = 64, height: int = 48) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def write_video(path: Path, fps: int = 25) -> Path:
    """One grey level a frame."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for value in GREYS:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey(value), format="rgb24")))
        container.mux(stream.encode())
    return path


def write_frames(folder: Path, names: tuple[str, ...]) -> Path:
    folder.mkdir(exist_ok=True)
    for value, name in zip(GREYS, names, strict=False):
        Image.fromarray(grey(value)).save(folder / name, quality=95)
    return folder


def levels(clip: Clip) -> list[int]:
    return [round(float(frame.rgb.mean())) for frame in clip]


def test_a_video_comes_frame_by_frame(tmp_path: Path):
    clip = open_clip(write_video(tmp_path / "clip.mp4"))
    assert (clip.fps, clip.num_frames, clip.size) == (25.0, 5, (64, 48))
    frames = list(clip)
    assert [(f.index, f.name) for f in frames] == [(i, f"0000{i}") for i in range(5)]
    assert all(f.rgb.shape == (48, 64, 3) and f.rgb.dtype == np.uint8 for f in frames)
    np.testing.assert_allclose(levels(clip), GREYS, atol=3)


def test_a_second_iteration_starts_anew(tmp_path: Path):
    clip = open_clip(write_video(tmp_path / "clip.mp4"))
    next(iter(clip))
    assert len(list(clip)) == len(GREYS)


def test_a_container_without_a_frame_count_says_none(tmp_path: Path):
    clip = open_clip(write_video(tmp_path / "clip.mkv"))
    assert clip.num_frames is None
    assert len(list(clip)) == len(GREYS)


def test_a_clip_knows_the_names_of_its_frames(tmp_path: Path):
    video = open_clip(write_video(tmp_path / "clip.mp4"))
    endless = open_clip(write_video(tmp_path / "clip.mkv"))
    folder = open_clip(write_frames(tmp_path / "clip", ("1.jpg", "a 3.png")))
    names = ("00004", "00005", "4", "a 3", "1")
    assert [video.has(name) for name in names] == [True, False, False, False, False]
    assert [endless.has(name) for name in names] == [True, True, False, False, False]
    assert [folder.has(name) for name in names] == [False, False, False, True, True]


def test_a_folder_comes_in_the_order_of_its_numbers(tmp_path: Path):
    names = ("1.jpg", "2.PNG", "10.jpeg", "a 3.jpg", "a 20.png")
    clip = open_clip(write_frames(tmp_path / "clip", names))
    assert [f.name for f in clip] == ["1", "2", "10", "a 3", "a 20"]
    assert levels(clip) == list(GREYS)
    assert (clip.num_frames, clip.size) == (5, (64, 48))


def test_other_files_of_a_folder_are_no_frames(tmp_path: Path):
    folder = write_frames(tmp_path / "clip", ("0.jpg",))
    (folder / "notes.txt").write_text("not a frame")
    assert open_clip(folder).num_frames == 1


def test_frames_of_a_folder_are_read_when_asked_for(tmp_path: Path):
    folder = write_frames(tmp_path / "clip", ("0.png", "1.png"))
    frames = iter(open_clip(folder))
    next(frames)
    write_frames(folder, ("ignored.png", "1.png"))
    assert next(frames).rgb.mean() == GREYS[1]
    (folder / "1.png").unlink()
    frames = iter(open_clip(folder))
    assert next(frames).name == "0"


def test_grey_and_transparent_pictures_become_rgb(tmp_path: Path):
    Image.new("L", (8, 6), 77).save(tmp_path / "0.png")
    Image.new("RGBA", (8, 6), (1, 2, 3, 0)).save(tmp_path / "1.png")
    first, second = open_clip(tmp_path)
    assert first.rgb[0, 0].tolist() == [77, 77, 77]
    assert second.rgb[0, 0].tolist() == [1, 2, 3]


def test_a_missing_path_is_named():
    with pytest.raises(ClipError, match="/no/such does not exist"):
        open_clip(Path("/no/such"))


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(ClipError, match=r"holds no .jpg or .png frames"):
        open_clip(tmp_path)


def test_two_frames_of_one_name_are_refused(tmp_path: Path):
    with pytest.raises(ClipError, match="two frames of one name"):
        open_clip(write_frames(tmp_path / "clip", ("0.jpg", "0.png")))


def test_a_file_that_is_no_video_is_refused(tmp_path: Path):
    (tmp_path / "clip.mp4").write_bytes(b"not a video at all" * 100)
    with pytest.raises(ClipError, match=r"clip.mp4 is no video: Invalid data"):
        open_clip(tmp_path / "clip.mp4")


def test_a_file_of_sound_is_refused(tmp_path: Path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
    with pytest.raises(ClipError, match="holds no video"):
        open_clip(tmp_path / "sound.wav")


def test_a_video_cut_off_before_its_index_is_refused(tmp_path: Path):
    whole = write_video(tmp_path / "clip.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClipError, match=r"cut.mp4"):
        open_clip(tmp_path / "cut.mp4")


def test_a_picture_cut_off_is_named(tmp_path: Path):
    folder = write_frames(tmp_path / "clip", ("0.jpg", "1.jpg"))
    whole = (folder / "1.jpg").read_bytes()
    (folder / "1.jpg").write_bytes(whole[: len(whole) // 2])
    frames = iter(open_clip(folder))
    next(frames)
    with pytest.raises(ClipError, match=r"1.jpg is no picture"):
        next(frames)


def test_a_frame_of_another_size_is_named(tmp_path: Path):
    folder = write_frames(tmp_path / "clip", ("0.jpg",))
    Image.fromarray(grey(1, 32, 48)).save(folder / "1.jpg")
    with pytest.raises(ClipError, match=r"1.jpg is 32 x 48 pixels, the first frame 64 x 48"):
        list(open_clip(folder))


def test_a_palette_png_keeps_labels_and_has_the_colours_of_davis(tmp_path: Path):
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    write_palette_png(tmp_path / "0.png", labels)
    with Image.open(tmp_path / "0.png") as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), labels)
        colours = np.array(picture.convert("RGB")).reshape(-1, 3)
    davis = {0: [0, 0, 0], 1: [128, 0, 0], 2: [0, 128, 0], 3: [128, 128, 0], 7: [128, 128, 128]}
    davis |= {8: [64, 0, 0], 9: [191, 0, 0], 15: [191, 128, 128], 21: [128, 64, 128]}
    assert {i: colours[i].tolist() for i in davis} == davis
    assert len({tuple(colour) for colour in colours.tolist()}) == 256


def test_a_mask_is_the_pixels_of_its_track(tmp_path: Path):
    labels = np.array([[0, 1, 2], [2, 2, 5]], np.uint8)
    write_palette_png(tmp_path / "mask.png", labels)
    np.testing.assert_array_equal(read_mask_png(tmp_path / "mask.png", 2), labels == 2)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "1", "I;16"])
def test_a_mask_without_its_track_is_all_that_is_not_zero(tmp_path: Path, mode: str):
    mask = np.array([[0, 255, 255], [0, 0, 255]], np.uint8)
    Image.fromarray(mask).convert(mode).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask_png(tmp_path / "mask.png", 3), mask > 0)


def test_a_mask_of_nothing_is_refused(tmp_path: Path):
    write_palette_png(tmp_path / "mask.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(ClipError, match="zero everywhere"):
        read_mask_png(tmp_path / "mask.png", 1)


def test_a_mask_that_is_no_picture_is_refused(tmp_path: Path):
    (tmp_path / "mask.png").write_text("text")
    for name in ("mask.png", "missing.png"):
        with pytest.raises(ClipError, match=f"{name} is no mask"):
            read_mask_png(tmp_path / name, 1)


def test_a_video_turned_by_its_header_comes_upright(tmp_path: Path):
    picture = grey(20)
    picture[:, :32] = 230  # the left half is bright
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    whole = bytearray((tmp_path / "clip.mp4").read_bytes())
    matrix = whole.index(b"tkhd") + 44  # ISO 14496-12, 8.3.2: a quarter turn clockwise
    whole[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(whole)
    clip = open_clip(tmp_path / "turned.mp4")
    assert clip.size == (48, 64)
    rgb = next(iter(clip)).rgb
    assert rgb[:24].mean() > 200
    assert rgb[40:].mean() < 50
