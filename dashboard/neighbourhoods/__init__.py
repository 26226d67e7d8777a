"""The page Neighbourhoods: `page` draws it, `data` reads its results, `figures` draws arrays."""
