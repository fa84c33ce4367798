"""What happens over time: frames, prompts, memories, tracks. Policy only; model/ computes."""
