"""The workers, as the main process sees them: begun, told, watched and replaced."""
