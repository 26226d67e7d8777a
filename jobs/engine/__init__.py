"""How jobs are run: the queue, what hands its jobs to processes, and what a running job may use."""
