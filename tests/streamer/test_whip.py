"""WHIP with a publisher that is not ours: FFmpeg's, which speaks H.264 and has no data channels."""

import asyncio

import imageio_ffmpeg
from served import serving


async def test_ffmpeg_publishes_and_its_frames_are_processed():
    async with serving() as served:
        source = "testsrc=size=320x180:rate=30:duration=2"
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-re", "-f", "lavfi", "-i", source,
            "-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-bf", "0",
            "-g", "30", "-pix_fmt", "yuv420p", "-f", "whip", f"{served.url}/whip",
        ]  # fmt: skip
        publisher = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        _, words = await asyncio.wait_for(publisher.communicate(), 60)
        sample = served.service.metrics.registry.get_sample_value
        assert publisher.returncode == 0, words.decode()
        assert sample("streamer_frames_received_total") >= 50
        assert sample("streamer_session_errors_total") == 0
        assert sample("streamer_sessions_ended_total", {"outcome": "left"}) == 1
