"""The trail of promotions, as JSON and as CSV."""
