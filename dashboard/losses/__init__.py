"""The page Losses: `page` draws it, `data` reads its results, `figures` draws arrays."""
