"""The page Explore: `page` draws it, `data` reads its results, `figures` draws arrays."""
