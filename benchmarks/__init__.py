"""Measurements that decisions rest on, printed as ratios of one run: `make bench`."""
