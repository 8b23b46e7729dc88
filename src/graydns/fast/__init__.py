"""From bytes to an answer in one synchronous function: parse, guard, hot table, render."""
