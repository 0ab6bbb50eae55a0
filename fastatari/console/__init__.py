"""One Atari 2600: its processor, chips, cartridges and inputs, and the bookkeeping of the games."""
