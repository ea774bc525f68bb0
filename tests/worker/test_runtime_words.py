from __future__ import annotations

import pytest
from edgebench.worker.runtime_words import explain

FLEX = (
    "Select TensorFlow op(s), included in the given model, is(are) not supported by this interpreter. Make sure you "
    "apply/link the Flex delegate before inference. Node number 0 (FlexAddV2) failed to prepare."
)
VERSION = (
    "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'. An older version of this builtin might be "
    "supported. Are you using an old TFLite binary with a newer model?\nRegistration failed.\n"
)


@pytest.mark.parametrize(
    ("said", "code", "line"),
    [
        (
            "Encountered unresolved custom op: Sinh.\nSee instructions: https://www.tensorflow.org/lite/guide/ops_custom"
            "Node number 0 (Sinh) failed to prepare.",
            "custom-operator",
            "the model uses the custom operator Sinh, which this runtime lacks",
        ),
        (
            "Encountered unresolved custom op: edgetpu-custom-op.\nSee instructions",
            "custom-operator",
            "the model uses the custom operator edgetpu-custom-op, which this runtime lacks; it was compiled for an "
            "Edge TPU and needs that delegate",
        ),
        (
            "Encountered unresolved custom op: my.op.v2",
            "custom-operator",
            "the model uses the custom operator my.op.v2, which this runtime lacks",
        ),
        (FLEX, "flex-operator", "the model uses TensorFlow (flex) operators, which this runtime lacks"),
        (
            VERSION,
            "operator-version",
            "the model needs FULLY_CONNECTED version 12, which this runtime does not know: it is older than the model",
        ),
        (
            "Model provided is schema version 2 not equal to supported version 3.\n",
            "schema-version",
            "the model has schema version 2, the runtime reads 3",
        ),
        (
            "Model provided has model identifier 'XXXX', The model is not a valid Flatbuffer buffer",
            "not-a-model",
            "the file is not a valid TFLite flatbuffer",
        ),
        ("No subgraph in the model.\n", "no-subgraph", "the model has no subgraph"),
    ],
)
def test_known_words_become_a_cause_and_a_code(said: str, code: str, line: str) -> None:
    refusal = explain(RuntimeError(said))
    assert (refusal.code, str(refusal)) == (code, line)


def test_unknown_words_are_passed_on_as_one_line() -> None:
    refusal = explain(RuntimeError("no_integer_overflow was not true.\n  Node number 15\t(DEPTHWISE) failed.\n"))
    assert refusal.code == "runtime-refused"
    assert str(refusal) == "no_integer_overflow was not true. Node number 15 (DEPTHWISE) failed."


def test_endless_words_are_cut() -> None:
    line = str(explain(ValueError("word " * 1000)))
    assert len(line) == 400
    assert line.endswith("…")


def test_an_error_without_words_is_told_by_its_kind() -> None:
    assert str(explain(ValueError())) == "ValueError"
