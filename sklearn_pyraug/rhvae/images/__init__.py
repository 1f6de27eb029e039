"""Images and volumes: warps, and the resolution at which they are learned."""
