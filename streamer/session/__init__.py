"""One viewer's stay: frame loop, conversation, limits, and how it goes on elsewhere."""
