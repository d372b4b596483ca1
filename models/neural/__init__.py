"""Neural models: one training loop for all of them, neural collaborative filtering, autoencoders, two towers."""
