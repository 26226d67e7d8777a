"""The page Listen: `page` draws it, `data` reads its results, `figures` draws arrays."""
