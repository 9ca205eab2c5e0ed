"""One comparison of two exports: the orchestrator, and the bodies of its activities."""
