"""A run's curves in words: named rules, each finding with the steps that it rests on. Touches no file."""
