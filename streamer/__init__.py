"""The streaming service: WebRTC in, masks and composited video out."""
