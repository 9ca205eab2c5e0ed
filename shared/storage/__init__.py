"""Blob Storage: the only package that imports azure.storage, and all names of blobs and blocks."""
