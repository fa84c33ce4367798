"""Sources: video that the service fetches by itself: RTSP cameras, files, V4L2 devices."""
