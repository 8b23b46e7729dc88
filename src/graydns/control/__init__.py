"""Control of a running server: reloads, rollbacks, live changes, release policies, and what operators see."""
