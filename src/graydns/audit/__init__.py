"""The audit log: what was validated and who changed what, in one chain of lines that shows when somebody altered it.

::

    admin, control ── AuditLog.write ─────────────────────────────► ┐ fsync, then it counts
    Validations ── Queue ── AuditWriter's thread ── AuditLog.append ► ┴ audit.jsonl ── verify
    AuditLog ── Retention: which full files stay     heads: FILE.head, with each change and every few seconds
    Auditing: starts and stops them, publishes the Head every hour
"""
