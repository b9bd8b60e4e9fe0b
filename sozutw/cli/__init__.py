"""The sozutw command."""
