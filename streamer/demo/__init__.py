"""`streamer demo`: a clip through a service of its own."""
