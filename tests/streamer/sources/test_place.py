import os
import socket
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streamer.config import Settings
from streamer.sources.place import (
    Camera,
    Device,
    PlaceRefused,
    VideoFile,
    find,
    is_of_the_network,
    shown,
)


def told(host: str, *addresses: str) -> Any:
    """A resolver that knows one name; addresses stand for themselves."""

    def getaddrinfo(asked: str, *_: object, **__: object) -> list[Any]:
        if asked == host:
            return [(0, 0, 0, "", (address, 0)) for address in addresses]
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in asked else socket.AF_INET, asked)
        except OSError as error:
            raise socket.gaierror(socket.EAI_NONAME, "unknown") from error
        return [(0, 0, 0, "", (asked, 0))]

    return getaddrinfo


async def refused(url: str, **settings: object) -> tuple[str, str]:
    with pytest.raises(PlaceRefused) as refusal:
        await find(url, Settings(**settings))
    return refusal.value.code, str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://127.0.0.1/cam",
        "rtsps://example.org/cam",
        "file:///etc/passwd",
        "v4l2:///dev/video0",
        "http://127.0.0.1/x.m3u8",
        "concat:/etc/passwd|/etc/hosts",
        "rtmp://cam/x",
        "/etc/passwd",
        "",
    ],
)
async def test_by_default_nothing_may_be_read(url: str):
    assert (await refused(url))[0] == "not_allowed"


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://cam 1/x",
        "rtsp://cam/\nx",
        "rtsp://cam\\@evil/x",
        "rtsp://cam:99999/x",
        "rtsp://[::1/x",
        "rtsp:///x",
        "rtsp://[fe80::1%25eth0]/x",
        "rtsp://cäm/x",
        "rtsp://cam/#x",
        "rtsp://cam/" + "x" * 2048,
    ],
)
async def test_a_url_that_two_readers_could_read_differently_is_refused(url: str):
    assert (await refused(url, source_hosts=("cam", "0.0.0.0/0")))[0] == "bad_url"


async def test_a_listed_name_is_resolved_once_and_keeps_its_login(monkeypatch: Any):
    monkeypatch.setattr(socket, "getaddrinfo", told("cam1.lan", "10.0.7.9"))
    url = "rtsp://me:s3cret@Cam1.LAN.:8554/live?quality=2"
    place = await find(url, Settings(source_hosts=("cam1.lan",)))
    assert place == Camera("10.0.7.9", 8554, "cam1.lan", False, "me:s3cret@", "/live?quality=2")
    assert "s3cret" not in repr(place)
    assert "quality" not in shown(url)
    assert "s3cret" not in shown(url)


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("::1",),
        ("169.254.169.254",),
        ("0.0.0.0",),
        ("224.0.0.1",),
        ("::ffff:127.0.0.1",),
        ("10.0.7.9", "127.0.0.1"),
    ],
)
async def test_a_listed_name_does_not_lead_to_this_machine_or_to_a_cloud_s_metadata(
    monkeypatch: Any, addresses: tuple[str, ...]
):
    monkeypatch.setattr(socket, "getaddrinfo", told("cam1.lan", *addresses))
    assert (await refused("rtsp://cam1.lan/x", source_hosts=("cam1.lan",)))[0] == "not_allowed"


async def test_a_network_takes_what_lies_in_it_and_all_else_is_refused_alike(monkeypatch: Any):
    monkeypatch.setattr(socket, "getaddrinfo", told("inside.lan", "10.0.7.9"))
    settings = {"source_hosts": ("10.0.7.0/24",)}
    for host in ("10.0.7.1", "inside.lan", "[::ffff:10.0.7.1]"):
        assert isinstance(await find(f"rtsp://{host}/x", Settings(**settings)), Camera)
    words = {await refused(f"rtsp://{host}/x", **settings) for host in ("10.0.8.1", "outside.lan")}
    assert {code for code, _ in words} == {"not_allowed"}
    assert {text.split(" ", 1)[1] for _, text in words} == {"is not one of STREAMER_SOURCE_HOSTS"}


async def test_a_number_that_resolvers_take_for_this_machine_is_refused():
    assert (await refused("rtsp://2130706433/x", source_hosts=("10.0.0.0/8",)))[0] == "not_allowed"


async def test_a_port_that_is_not_listed_is_refused():
    hosts = {"source_hosts": ("10.0.0.0/8",)}
    code, words = await refused("rtsp://10.0.0.1:22/x", **hosts)
    assert (code, words) == ("not_allowed", "port 22 is not one of STREAMER_SOURCE_PORTS")
    camera = await find("rtsps://10.0.0.1/x", Settings(**hosts))
    assert isinstance(camera, Camera)
    assert (camera.port, camera.is_tls) == (322, True)


async def test_a_listed_name_without_an_address_is_not_found(monkeypatch: Any):
    monkeypatch.setattr(socket, "getaddrinfo", told("other"))
    assert (await refused("rtsp://cam1.lan/x", source_hosts=("cam1.lan",)))[0] == "not_found"


async def test_files_are_read_from_their_folder_and_nowhere_else(tmp_path: Path):
    folder, outside = tmp_path / "films", tmp_path / "secret.mp4"
    (folder / "deep").mkdir(parents=True)
    film = folder / "deep" / "my film.mp4"
    film.write_bytes(b"")
    outside.write_bytes(b"")
    (folder / "way-out.mp4").symlink_to(outside)
    os.mkfifo(folder / "pipe.mp4")
    (tmp_path / "films-2").mkdir()
    settings = {"source_folder": folder}
    place = await find(f"file://{folder}/deep/my%20film.mp4", Settings(**settings))
    assert place == VideoFile(film)
    for path in (
        outside,
        folder / ".." / "secret.mp4",
        folder / "way-out.mp4",
        tmp_path / "films-2" / "x.mp4",
        folder / "deep",
        folder / "pipe.mp4",
        Path("/proc/self/environ"),
    ):
        assert (await refused(f"file://{path}", **settings))[0] == "not_allowed", path
    dots = str(folder / "%2e%2e" / "secret.mp4")
    assert (await refused(f"file://{dots}", **settings))[0] == "not_allowed"
    assert (await refused(f"file://{folder}/none.mp4", **settings))[0] == "not_found"
    assert (await refused(f"file://host{film}", **settings))[0] == "bad_url"
    assert (await refused(f"file://{folder}/x%00.mp4", **settings))[0] == "bad_url"


async def test_a_listed_device_takes_its_size_and_rate():
    settings = {"source_devices": ("/dev/video0",)}
    url = "v4l2:///dev/video0?width=640&height=360&fps=30"
    assert await find(url, Settings(**settings)) == Device("/dev/video0", 640, 360, 30)
    assert await find("v4l2:///dev/video0", Settings(**settings)) == Device("/dev/video0")
    assert (await refused("v4l2:///dev/video1", **settings))[0] == "not_allowed"
    assert (await refused("v4l2:///dev/../dev/video0", **settings))[0] == "not_allowed"
    for query in ("width=640", "width=x&height=2", "fps=0", "input=mic", "width=1&height=99999"):
        assert (await refused(f"v4l2:///dev/video0?{query}", **settings))[0] == "bad_url", query


@pytest.mark.parametrize("host", ["", "10.0.0.0/99", "user@cam", "cam/", "*"])
def test_a_host_that_cannot_be_one_does_not_start_the_service(host: str):
    with pytest.raises(ValidationError):
        Settings(source_hosts=(host,))


@pytest.mark.parametrize(
    ("url", "is_so"),
    [
        ("rtsp://cam1.lan/", True),
        ("RTSPS://cam1.lan/", True),
        ("file:///films/rtsp:", False),
        ("v4l2:///dev/video0", False),
        ("rubbish", False),
    ],
)
def test_only_cameras_are_the_same_from_every_machine(url: str, *, is_so: bool):
    assert is_of_the_network(url) is is_so
