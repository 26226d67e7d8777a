"""What computes the grids of trained models: ``RUNNERS`` maps a spec's type to ``module:function``.

A runner takes the spec and a `jobs.engine.context.JobContext` and writes the spec's artifact. Its module may
import whatever it needs; it is imported only in the process that runs it. Other tasks are in `jobs.tasks`.
"""

RUNNERS = {
    "LossGrid": "jobs.runners.losses:loss_grid",
    "LossNetworkGrid": "jobs.runners.loss_networks:loss_network_grid",
}
