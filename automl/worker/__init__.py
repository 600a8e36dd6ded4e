"""The only room with torch: what runs inside a worker process."""
