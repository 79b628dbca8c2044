"""Bags in other forms: Foxglove's schemas, CSV, Parquet, numpy."""
