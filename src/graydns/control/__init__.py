"""What operators and files change while graydns serves: reloads, live overrides, history."""
