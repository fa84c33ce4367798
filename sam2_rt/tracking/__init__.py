"""What happens over time: frames, prompts, memories and tracks. Policy on the host, arithmetic in model/."""
