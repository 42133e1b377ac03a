"""What is known of a run before it starts: its size, steps, memory, disk, and the command that starts it."""
