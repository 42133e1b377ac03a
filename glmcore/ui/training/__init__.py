"""The training page: the list of jobs, one job, the form of a new one, evaluations."""
