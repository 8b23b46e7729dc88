"""What operators see: nothing here changes the server."""
