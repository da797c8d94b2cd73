"""Measured promises, each a ratio of two things done side by side in one run, or an amount with a bound."""
