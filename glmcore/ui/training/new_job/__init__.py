"""The view where a job is written, checked and put into the queue."""
