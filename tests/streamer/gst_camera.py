"""An RTSP camera by GStreamer's server: `/usr/bin/python3 gst_camera.py PORT FILM [USER PASSWORD]`.

Serves an H.264 film in MP4 at /cam. Prints its port once it listens; PORT 0 takes any. Of the
system's Python, whose GStreamer Debian packages.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 (the versions come first)


def main(port: str, film: str, *login: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( filesrc location={film} ! qtdemux ! rtph264pay name=pay0 pt=96 )")
    if login:
        auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*login), token)
        server.set_auth(auth)
        granted = "media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
        factory.add_role_from_structure(Gst.Structure.from_string(f"user, {granted};")[0])
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)  # noqa: T201 (its answer)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
