"""What every namespace has from the start and keeps: its `default` ServiceAccount and the cluster's CA."""
