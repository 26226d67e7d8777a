"""The engine: the queue, the dispatcher, the processes that run jobs, and the context of a running job."""
