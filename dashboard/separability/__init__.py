"""The page Separability: `page` draws it, `data` reads its results, `figures` draws arrays."""
