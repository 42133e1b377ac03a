"""Rules that watch live runs and can ask them to save or to stop, and the watch that keeps what fired."""
