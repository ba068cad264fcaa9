"""Stored data sets: receiving, inspecting, storing and downloading their files."""
