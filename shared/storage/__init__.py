"""Blob Storage: the only package that imports azure.storage, and all names of blobs and blocks.

names        the name of every blob and block, without IO
connection   the service and the container
blobs        small blobs as a whole, and listings
tagged       small blobs that are changed only as they were read (ETag)
pieces       large blobs, read piece by piece
staging      blocks, and their commit; `blockwriter` collects bytes until there is enough for one
erasing      blobs and whatever was staged for them are removed
sas          links for people
"""
