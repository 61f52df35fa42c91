"""The local diffusers runtime: a child process draws, and this process never imports torch."""
