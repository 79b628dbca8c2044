"""Plays a bag's messages again."""
