"""How the portal is doing: for admins of no clinic, for Prometheus, and for somebody on a shell."""
