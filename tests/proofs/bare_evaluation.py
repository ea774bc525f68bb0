"""The bare loop that ``evaluation.py`` compares with: some rows of a pixel file through a model, into a file of scores.

What one would write by hand: numpy and the runtime's Interpreter with one thread, nothing of edgebench's.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def bare_loop(model: str, pixels_path: str, start: int, stop: int, mean: float, std: float) -> np.ndarray:
    """Return the raw output for each of the rows."""
    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = source["quantization"]
    pixels = np.load(pixels_path, mmap_mode="r")
    scores = []
    for row in range(start, stop):
        values = (pixels[row : row + 1].astype(np.float32) - np.float32(mean)) / np.float32(std)
        if scale:
            limits = np.iinfo(source["dtype"])
            values = np.clip(np.rint(values / np.float32(scale)) + zero, limits.min, limits.max)
        interpreter.set_tensor(source["index"], values.astype(source["dtype"], copy=False))
        interpreter.invoke()
        scores.append(interpreter.get_tensor(target["index"])[0])
    return np.array(scores)


if __name__ == "__main__":
    _model, _pixels, _start, _stop, _mean, _std, _out = sys.argv[1:]
    np.save(_out, bare_loop(_model, _pixels, int(_start), int(_stop), float(_mean), float(_std)))
