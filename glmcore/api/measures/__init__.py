"""What the server measures of itself and writes down about requests."""
