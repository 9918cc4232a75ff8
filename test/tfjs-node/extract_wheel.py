"""Takes libtensorflow and its headers out of a wheel: extract_wheel.py WHEEL TARGET."""

import pathlib
import re
import shutil
import sys
import zipfile

LIBRARIES = re.compile(r"tensorflow/(libtensorflow_cc\.so\.2|libtensorflow_framework\.so\.2)")
HEADERS = re.compile(
    r"tensorflow/include/((?:tensorflow|tsl)/c/.*\.h|(?:tensorflow/core|tensorflow/tsl|tsl)/platform/ctstring.*\.h)"
)


def main(wheel, target):
    target = pathlib.Path(target)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if match := LIBRARIES.fullmatch(name):
                place(archive, name, target / "lib/napi-v8" / match[1])
            elif match := HEADERS.fullmatch(name):
                place(archive, name, target / "include" / match[1])


def place(archive, name, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(name) as source, open(path, "wb") as copy:
        shutil.copyfileobj(source, copy)


if __name__ == "__main__":
    main(*sys.argv[1:])
