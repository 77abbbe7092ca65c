"""Claims: their definitions, the evidence for them, verdicts, and boundaries of the region where they hold."""
