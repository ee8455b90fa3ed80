"""Bodies, heads and recurrent cores, and the network that is made of them."""
