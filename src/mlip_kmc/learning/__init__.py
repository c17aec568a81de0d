"""What a potential learns from: active sets, and the choice of the structures to label."""
