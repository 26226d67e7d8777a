"""What computes the grids of trained models: ``RUNNERS`` maps a spec's type to ``module:function``.

A runner takes the spec and a `jobs.engine.context.JobContext` and writes the spec's artifact. Its module may
import whatever it needs; it is imported only in the process that runs it. Other tasks are in `jobs.tasks`.
"""

RUNNERS = {
    "ContrastiveGrid": "jobs.runners.contrastive:contrastive_grid",
    "CuratedTraining": "jobs.runners.curation:curated_training",
    "ZeroShotGrid": "jobs.runners.zeroshot:zero_shot_grid",
}
