"""Which promotions a run would make: chosen by patterns, compared with what both sides show, before anything moves."""
