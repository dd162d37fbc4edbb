"""What every controller stands on: informers that keep views current, queues and runners of work, and the event recorder."""
