"""Replay: what past nights would have listed, and what users did next."""
