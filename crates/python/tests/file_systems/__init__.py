"""Workspaces and stores as file systems of fsspec."""
