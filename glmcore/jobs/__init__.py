"""Many training runs over restarts: queue, runner, launchers.

Empty until its issue.
"""
