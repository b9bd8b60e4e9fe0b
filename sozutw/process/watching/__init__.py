"""Files that change while the process runs: certificates, and what leads to them."""
