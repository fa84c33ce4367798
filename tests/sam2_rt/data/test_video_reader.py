from pathlib import Path

import av
import numpy as np
import pytest

from sam2_rt.data.clip import ClipError
from sam2_rt.data.video_reader import KEPT_FRAMES, VideoReader, measure_video
from tiny_datasets import NUM_FRAMES, frame, write_mp4


@pytest.mark.parametrize(
    "order",
    [range(NUM_FRAMES), range(NUM_FRAMES - 1, -1, -1), (8, 0, 4, 4, 3, 5, 7, 1), (6, 2, 6, 2)],
)
def test_frames_come_in_any_order(tmp_path: Path, order: tuple[int, ...]):
    reader = VideoReader(write_mp4(tmp_path / "clip.mp4"))
    assert reader.num_frames == NUM_FRAMES
    for index in order:
        np.testing.assert_allclose(reader.frame(index).astype(int), frame(index), atol=12)


def test_few_decoded_frames_are_kept(tmp_path: Path):
    reader = VideoReader(write_mp4(tmp_path / "clip.mp4"))
    for index in range(NUM_FRAMES):
        reader.frame(index)
    assert list(reader._kept) == list(range(NUM_FRAMES - KEPT_FRAMES, NUM_FRAMES))


def test_a_frame_read_just_now_is_not_decoded_again(tmp_path: Path):
    reader = VideoReader(write_mp4(tmp_path / "clip.mp4"))
    assert reader.frame(3) is reader.frame(3)


def test_a_file_that_is_no_video_is_named(tmp_path: Path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(ClipError, match=r"clip\.mp4 is no video"):
        VideoReader(tmp_path / "clip.mp4")


def test_a_garbled_packet_is_named_and_the_frames_well_before_it_are_read(tmp_path: Path):
    file = write_mp4(tmp_path / "clip.mp4")
    with av.open(str(file)) as container:
        packet = [(p.pos, p.size) for p in container.demux(video=0)][5]
    data = bytearray(file.read_bytes())
    data[packet[0] : packet[0] + packet[1]] = b"U" * packet[1]
    file.write_bytes(data)
    reader = VideoReader(file)
    for index in (0, 1):
        np.testing.assert_allclose(reader.frame(index).astype(int), frame(index), atol=12)
    for index in (5, 6):
        with pytest.raises(ClipError, match=rf"clip\.mp4, frame {index} cannot be decoded"):
            reader.frame(index)
    np.testing.assert_allclose(reader.frame(0).astype(int), frame(0), atol=12)


def test_a_header_tells_length_and_size_also_where_it_has_to_be_counted(tmp_path: Path):
    assert measure_video(write_mp4(tmp_path / "clip.mp4")) == (NUM_FRAMES, (64, 48))
    assert measure_video(write_mp4(tmp_path / "clip.mkv")) == (NUM_FRAMES, (64, 48))


def test_a_sound_without_a_picture_is_named(tmp_path: Path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    for read in (measure_video, VideoReader):
        with pytest.raises(ClipError, match=r"sound\.mp4 holds no video"):
            read(tmp_path / "sound.mp4")


def test_a_video_that_ends_before_its_header_says_is_named(tmp_path: Path):
    whole = write_mp4(tmp_path / "whole.mp4", first_the_header=True)
    file = tmp_path / "clip.mp4"
    file.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    assert measure_video(file)[0] == NUM_FRAMES
    with pytest.raises(ClipError, match=r"clip\.mp4 has no frame 8: it ends after"):
        VideoReader(file).frame(8)


def test_a_title_in_another_encoding_does_not_matter(tmp_path: Path):
    file = write_mp4(tmp_path / "clip.mp4")
    file.write_bytes(file.read_bytes().replace(b"VideoHandler", b"Vid\xe9oHandler"))
    assert measure_video(file)[0] == NUM_FRAMES
    np.testing.assert_allclose(VideoReader(file).frame(3).astype(int), frame(3), atol=12)


def test_a_video_that_nobody_can_decode_is_named(tmp_path: Path):
    file = write_mp4(tmp_path / "clip.mp4")
    file.write_bytes(file.read_bytes().replace(b"avc1", b"zzzz"))
    for read in (measure_video, VideoReader):
        with pytest.raises(ClipError, match=r"clip\.mp4 holds a video in an unknown codec"):
            read(file)
