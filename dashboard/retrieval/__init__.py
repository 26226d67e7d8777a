"""The page Retrieval: `page` draws it, `data` reads its results, `figures` draws arrays."""
