"""The dashboard: pages that read results and ask for jobs. Nothing heavy is imported or computed here."""
