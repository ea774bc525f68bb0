"""From images to TFLite variants: training, export and the demo. TensorFlow lives only in this package."""
