"""The parts of bench/run. Each module has one subject; none needs more than Python's standard library."""
