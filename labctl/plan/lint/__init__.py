"""What in a plan is legal and most likely not meant: each module knows a kind of it, `warning` asks them all."""
