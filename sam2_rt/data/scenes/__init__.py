"""What made-up clips are put together from: pictures, cut-outs, motion, light and a bad camera."""
