"""Writes datasets as Python programs do, and beside them what a reader must find.

The irises and handwritten digits are those that scikit-learn ships. Parquet files are written by DuckDB, in the layout of
Hugging Face; CSV files by DuckDB and by the csv module; JSON lines by the json module.

Usage: make_datasets.py DIRECTORY
"""

import csv
import gzip
import importlib.util
import json
import pathlib
import shutil
import sys

import duckdb

README = """---
license: cc-by-4.0
task_categories: [image-classification]
size_categories: [1K<n<10K]
configs:
  - config_name: default
    data_files:
      - split: train
        path: data/train-*
---
# Digits
"""

NOTES = [
    {"id": "1", "text": "plain"},
    {"id": "2", "text": "a comma, a \"quote\" and a\nline"},
    {"id": "3", "text": "größer als 日本 \U0001f600; a semicolon"},
    {"id": "4", "text": ""},
]


def main(directory):
    shutil.rmtree(directory, ignore_errors=True)
    expected = {"digits": digits(directory / "digits"), "iris": iris(directory / "iris"), "notes": notes(directory / "notes")}
    (directory / "expected.json").write_text(json.dumps(expected))


def shipped(name):
    package = importlib.util.find_spec("sklearn").submodule_search_locations[0]
    return pathlib.Path(package) / "datasets" / "data" / name


def digits(dataset):
    """Two Parquet files of several row groups, with pixels in lists, missing values, fractions, texts and dates."""
    (dataset / "data").mkdir(parents=True)
    (dataset / "README.md").write_text(README)
    with gzip.open(shipped("digits.csv.gz"), "rt") as file:
        images = [[int(float(value)) for value in row] for row in csv.reader(file)]
    # The files that were shipped once are larger than a row group of DuckDB if each image is there four times.
    rows = [(index, row[:64], row[64]) for index, row in enumerate(images * 4)]
    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    connection.execute("CREATE TABLE images (id INTEGER, pixels UTINYINT[], label INTEGER)")
    source = dataset.parent / "images.json"
    source.write_text("\n".join(json.dumps(dict(zip(("id", "pixels", "label"), row))) for row in rows))
    connection.execute(f"INSERT INTO images SELECT id, pixels, label FROM read_json('{source}', format = 'newline_delimited')")
    source.unlink()
    columns = """id, pixels, label, list_avg(pixels)::DOUBLE AS mean, label % 2 = 0 AS even,
        CASE WHEN label = 3 THEN NULL ELSE 'digit ' || label END AS name, id::BIGINT * 10000000000 AS large"""
    found = {}
    for part, start, end in ((0, 0, 4000), (1, 4000, len(rows))):
        name = f"data/train-{part:05}-of-00002.parquet"
        query = f"SELECT {columns} FROM images WHERE id >= {start} AND id < {end} ORDER BY id"
        connection.execute(f"COPY ({query}) TO '{dataset / name}' (FORMAT parquet, ROW_GROUP_SIZE 2048)")
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description]
        # Larger integers than JSON has are written as texts.
        found[name] = [dict(zip(names, row)) | {"large": str(row[-1])} for row in cursor.fetchall()]
    groups = connection.execute(
        f"SELECT count(DISTINCT row_group_id) FROM parquet_metadata('{dataset / 'data/train-00000-of-00002.parquet'}')"
    ).fetchone()[0]
    assert groups > 1, groups
    labels = "SELECT id, label FROM images WHERE id < 100 ORDER BY id"
    connection.execute(f"COPY ({labels}) TO '{dataset / 'labels.csv'}' (FORMAT csv, HEADER)")
    found["labels.csv"] = [{"id": str(key), "label": str(value)} for key, value in connection.execute(labels).fetchall()]
    return found


def iris(dataset):
    """The file as it is shipped: its first line has numbers and the names of the classes."""
    dataset.mkdir(parents=True)
    shutil.copyfile(shipped("iris.csv"), dataset / "iris.csv")
    with open(dataset / "iris.csv", newline="") as file:
        return {"iris.csv": list(csv.DictReader(file))}


def notes(dataset):
    dataset.mkdir(parents=True)
    for name, delimiter in (("notes.csv", ","), ("notes.tsv", "\t")):
        with open(dataset / name, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["id", "text"], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(NOTES)
    for name, is_ascii in (("ascii.jsonl", True), ("utf-8.jsonl", False)):
        lines = "".join(json.dumps(note, ensure_ascii=is_ascii) + "\n" for note in NOTES)
        (dataset / name).write_text(lines, encoding="utf-8")
    return {name: NOTES for name in ("notes.csv", "notes.tsv", "ascii.jsonl", "utf-8.jsonl")}


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
