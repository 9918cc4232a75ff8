# Alternates two contents of a file through a map of its memory, as fast as it can, until it is ended:
#   python3 flip_mapping.py FILE OTHER_FILE
# A page that is dirty already is written to without a change of the file's times.
import mmap
import sys

with open(sys.argv[2], "rb") as other:
    contents = [other.read()]
with open(sys.argv[1], "r+b") as file:
    contents.append(file.read())
    mapping = mmap.mmap(file.fileno(), 0)
mapping[:] = contents[0]
print("ready", flush=True)
while True:
    for content in contents:
        # Some microseconds, so that a reading often finds one of them whole.
        for _ in range(3):
            mapping[:] = content
