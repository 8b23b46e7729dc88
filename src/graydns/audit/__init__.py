"""The audit log: DNSSEC validations and changes, in one chain of lines that reveals any alteration.

::

    admin, control ── AuditLog.write ────────────────────────────────────────► ┐ fsync, then the change is made
    ValidationLineObserver ── LineQueue ── AuditWriter's thread ── AuditLog.append ► ┴ audit.jsonl ── verification
    AuditLog ── LogRetention: which full files stay    FILE.head: with each change and every few seconds
    AuditService: starts and stops them, publishes the head every hour
"""
