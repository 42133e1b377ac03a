"""What runs wrote, made visible: any log found and read, no point lost, curves judged.

Knows files, not processes.
"""
