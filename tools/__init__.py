"""What developers run on the sources; nothing here is needed to use the dashboard."""
