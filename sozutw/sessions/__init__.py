"""Who is connected: sessions, their tokens, and the limits on them."""
