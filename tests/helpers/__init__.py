"""What the tests share: launches and their comparison, and what the machine allows."""
