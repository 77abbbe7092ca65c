"""What runs mean: metrics, intervals, claims, and simulated against measured."""
