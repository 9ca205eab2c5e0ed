"""One export: the orchestrator and the bodies of its activities."""
