"""How `jobs.tasks.contrastive_grid` and `jobs.tasks.curated_training` are computed."""
