"""Plain values of the Kubernetes API and how they are read, compared and written; knows no kinds and no server."""
