"""What benchmarks/speed.py and benchmarks/train_speed.py are made of."""
