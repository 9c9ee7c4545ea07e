"""What ``python -m benchmarks.gpu`` measures: a file for every section, and what they share."""
