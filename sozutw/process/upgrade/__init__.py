"""One process in the place of another: how it hands over, and how the next one takes over."""
