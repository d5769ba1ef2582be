"""The storage account: blobs on disk behind Azure's Blob REST, and the datastores that lead to it."""
