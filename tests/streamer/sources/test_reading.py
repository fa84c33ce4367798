import traceback
from pathlib import Path

import pytest
from films import HEIGHT, WIDTH, write_film

from streamer.sources.place import Device
from streamer.sources.reading import Reading, Unreadable, of_device, of_file, of_rtsp


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libvpx"), ("a.avi", "mpeg4")]
)
def test_a_film_is_read_picture_by_picture(tmp_path: Path, name: str, codec: str):
    reading = Reading(of_file(write_film(tmp_path / name, num_frames=7, codec=codec)))
    pictures = list(reading.pictures())
    reading.close()
    assert [(p.width, p.height) for p in pictures] == [(WIDTH, HEIGHT)] * 7
    assert not reading.is_live


def test_a_playlist_that_names_another_file_is_not_followed(tmp_path: Path):
    segment = write_film(tmp_path / "segment.ts")
    playlist = tmp_path / "film.m3u8"
    playlist.write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{segment}\n#EXT-X-ENDLIST\n"
    )
    concat = tmp_path / "film.ffconcat"
    concat.write_text(f"ffconcat version 1.0\nfile {segment.name}\n")
    for path in (playlist, concat):
        with pytest.raises(Unreadable):
            Reading(of_file(path))
    Reading(of_file(segment)).close()


def test_what_is_no_film_is_unreadable_and_its_name_goes_no_further(tmp_path: Path):
    path = tmp_path / "passwords.mp4"
    path.write_text("root:x:0:0")
    with pytest.raises(Unreadable) as refusal:
        Reading(of_file(path))
    told = "".join(traceback.format_exception(refusal.value))
    assert "passwords" not in told


def test_a_film_of_sound_alone_has_no_video(tmp_path: Path):
    import av  # noqa: PLC0415

    path = tmp_path / "sound.mkv"
    with av.open(path, "w") as film:
        sound = film.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame(format="s16", layout="mono", samples=800)
        silence.sample_rate = 8000
        film.mux(sound.encode(silence))
        film.mux(sound.encode(None))
    with pytest.raises(Unreadable, match="no video"):
        Reading(of_file(path))


def test_a_camera_s_pictures_come_over_its_one_connection():
    feed = of_rtsp("rtsp://me:s3cret@127.0.0.1:1/x", 5)
    assert feed.options["rtsp_transport"] == "tcp"
    assert set(feed.options["protocol_whitelist"].split(",")) == {"tcp", "rtp"}
    assert "s3cret" not in repr(feed)


def test_a_password_is_in_no_error():
    secret = "".join(reversed("terc3s"))  # a traceback quotes this file
    with pytest.raises(Unreadable) as refusal:
        Reading(of_rtsp(f"rtsp://me:{secret}@127.0.0.1:9/x", 5))
    assert secret not in "".join(traceback.format_exception(refusal.value))


def test_a_device_gets_its_size_and_rate():
    feed = of_device(Device("/dev/video0", 640, 360, 30))
    assert (feed.format, feed.is_live) == ("v4l2", True)
    assert (feed.options["video_size"], feed.options["framerate"]) == ("640x360", "30")
    assert not {"video_size", "framerate"} & of_device(Device("/dev/video0")).options.keys()


def test_a_device_that_is_not_there_is_unreadable():
    with pytest.raises(Unreadable, match="No such file"):
        Reading(of_device(Device("/dev/video77")))


def test_a_device_that_is_there_gives_pictures():
    device = next(iter(sorted(Path("/dev").glob("video*"))), None)
    if device is None:
        pytest.skip("this machine has no /dev/video*")
    reading = Reading(of_device(Device(str(device))))
    assert next(reading.pictures()).width > 0
    reading.close()
