"""Many runs over restarts: the queue in the database, the runner that starts and ends them, their folders.

A job is a row (`job`, `queue`), a folder (`folder`) and, while it is live, a process group of its own
(`supervise`). `service` is what pages, terminal and API call. Nothing here imports torch.
"""
