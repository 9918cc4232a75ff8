"""Writes the SavedModel of fixtures/saved-model: a line with two variables, and a look-up in an asset.

Run once, with tensorflow-cpu 2.16.2 in a virtual environment of its own:

    python make_saved_model.py fixtures/saved-model
"""

import contextlib
import pathlib
import sys
import tempfile

import tensorflow as tf


class Line(tf.Module):
    """y = slope * x + offset, and the places of words in a vocabulary."""

    def __init__(self, vocabulary):
        super().__init__()
        self.slope = tf.Variable(2.0, name="slope")
        self.offset = tf.Variable(0.5, name="offset")
        # Tracked as an asset: TensorFlow copies the file into the model.
        self.vocabulary = tf.saved_model.Asset(vocabulary)
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                self.vocabulary.asset_path,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            default_value=-1,
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def line(self, x):
        return {"y": self.slope * x + self.offset}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="words")])
    def places(self, words):
        return {"places": tf.cast(self.table.lookup(words), tf.float32)}


def main(target):
    target = pathlib.Path(target).absolute()
    # The path of the vocabulary becomes a name in the model.
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        pathlib.Path("vocabulary.txt").write_text("cat\ndog\nbird\n")
        model = Line("vocabulary.txt")
        tf.saved_model.save(
            model,
            str(target),
            signatures={"serving_default": model.line, "places": model.places},
            options=tf.saved_model.SaveOptions(save_debug_info=False),
        )


if __name__ == "__main__":
    main(sys.argv[1])
