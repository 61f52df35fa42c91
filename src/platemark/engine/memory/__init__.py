"""Models in memory: loading them, what stays on the device, and what a request gets of one."""
