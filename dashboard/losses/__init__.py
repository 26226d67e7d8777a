"""The page Losses: `page` draws it, `numbers` and `spaces` compute what it shows."""
