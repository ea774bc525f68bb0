"""TFLite's official ``benchmark_model`` on a device: its command line, its output in all generations, its results."""
