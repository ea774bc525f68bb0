"""The runtime's own words, shortened to the cause and given a code."""

from __future__ import annotations

import re

from .refusal import Refusal, one_line

_CUSTOM = re.compile(r"Encountered unresolved custom op: (\S+?)\.?(?:\s|$)")
_VERSION = re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'")
_SCHEMA = re.compile(r"schema version (\d+) not equal to supported version (\d+)")


def explain(error: Exception) -> Refusal:
    """Return a Refusal whose line names the cause; words that are not recognised are passed on as they are."""
    text = str(error)
    custom = _CUSTOM.search(text)
    if custom:
        name = custom.group(1)
        hint = "; it was compiled for an Edge TPU and needs that delegate" if "edgetpu" in name else ""
        return Refusal(
            "custom-operator", "the model uses the custom operator %s, which this runtime lacks%s" % (name, hint)
        )
    if "Select TensorFlow op(s)" in text:
        return Refusal("flex-operator", "the model uses TensorFlow (flex) operators, which this runtime lacks")
    version = _VERSION.search(text)
    if version:
        return Refusal(
            "operator-version",
            "the model needs %s version %s, which this runtime does not know: it is older than the model"
            % version.groups(),
        )
    schema = _SCHEMA.search(text)
    if schema:
        return Refusal("schema-version", "the model has schema version %s, the runtime reads %s" % schema.groups())
    if "not a valid Flatbuffer" in text:
        return Refusal("not-a-model", "the file is not a valid TFLite flatbuffer")
    if "No subgraph in the model" in text:
        return Refusal("no-subgraph", "the model has no subgraph")
    return Refusal("runtime-refused", one_line(error))
