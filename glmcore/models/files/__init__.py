"""What lies in a model folder or file, and folders that are written whole or not at all."""
