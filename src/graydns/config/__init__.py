"""Every file a user writes: attrs classes, strict YAML, errors with file, line and column."""
