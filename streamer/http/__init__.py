"""What is said over HTTP: signalling, prompts, masks, probes and the page."""
