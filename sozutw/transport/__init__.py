"""What both sides need of Twisted: streams, the loop, dials, patience."""
