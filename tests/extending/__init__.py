"""Extensions of graydns from outside of its package."""
