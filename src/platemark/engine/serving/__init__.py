"""The child process and what keeps it going: frames, the desk that forms batches, the supervisor."""
