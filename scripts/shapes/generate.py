#!/usr/bin/env python3
"""Writes the compact table of the SSM API's shapes that belayd embeds, from the model that botocore carries.

    scripts/shapes/generate.py [--model service-2.json[.gz]] [--check] > src/server/api/shapes/ssm.shapes

One line a shape, words separated by one space; `-` stands for an absent bound:
    op   NAME INPUT OUTPUT ERROR,ERROR     an operation ("-" where it has no input, output or errors)
    st   NAME MEMBER:SHAPE MEMBER!SHAPE    a structure; "!" marks a required member
    str  NAME MIN MAX [PATTERN]            text; bounds in characters, the pattern is the rest of the line
    secret NAME MIN MAX [PATTERN]          the same, never shown in an answer (written by hand, in belay.shapes)
    enum NAME VALUE ...                    text that is one of these
    int|long NAME MIN MAX                  a whole number
    bool|time|blob NAME                    time: seconds since 1970, blob: base64
    list NAME ITEM MIN MAX
    map  NAME KEY VALUE MIN MAX

--check compares with the committed table and fails where they differ.
"""
import argparse
import gzip
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "src/server/api/shapes/ssm.shapes"
SCALARS = {"boolean": "bool", "timestamp": "time", "blob": "blob"}

HEADER = """\
# The shapes of the Amazon SSM API, version 2014-11-06: a compact form of the service model that botocore %s carries
# (Copyright Amazon.com, Inc. or its affiliates, Apache License 2.0; see NOTICE). Written by scripts/shapes/generate.py,
# which explains the format. Not edited by hand.
"""


def installed_model():
    import botocore
    folder = pathlib.Path(botocore.__file__).parent / "data/ssm/2014-11-06"
    for name in ("service-2.json.gz", "service-2.json"):
        if (folder / name).exists():
            return folder / name, botocore.__version__
    raise SystemExit(f"no SSM model under {folder}: install python3-botocore, or give --model")


def read_model(path):
    opener = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def bounds(shape):
    return f"{shape.get('min', '-')} {shape.get('max', '-')}"


def members(shape):
    required = set(shape.get("required", ()))
    return "".join(f" {name}{'!' if name in required else ':'}{member['shape']}"
                   for name, member in sorted(shape["members"].items()))


def shape_line(name, shape):
    kind = shape["type"]
    if kind == "structure":
        return f"st {name}{members(shape)}"
    if kind == "list":
        return f"list {name} {shape['member']['shape']} {bounds(shape)}"
    if kind == "map":
        return f"map {name} {shape['key']['shape']} {shape['value']['shape']} {bounds(shape)}"
    if kind == "string" and "enum" in shape:
        return "enum " + " ".join([name, *shape["enum"]])
    if kind == "string":
        return f"str {name} {bounds(shape)}" + (f" {shape['pattern']}" if "pattern" in shape else "")
    if kind in ("integer", "long"):
        return f"{'int' if kind == 'integer' else 'long'} {name} {bounds(shape)}"
    return f"{SCALARS[kind]} {name}"


def operation_line(name, operation):
    errors = ",".join(sorted(error["shape"] for error in operation.get("errors", ()))) or "-"
    return f"op {name} {operation.get('input', {}).get('shape', '-')} {operation.get('output', {}).get('shape', '-')} {errors}"


def table(model, version):
    lines = [operation_line(name, operation) for name, operation in sorted(model["operations"].items())]
    lines += [shape_line(name, shape) for name, shape in sorted(model["shapes"].items()) if not shape.get("exception")]
    for line in lines:
        if "\n" in line or "  " in line.split(" ^")[0]:
            raise SystemExit(f"the format cannot hold: {line}")
    return HEADER % version + "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a service-2.json of the SSM API; default: the installed botocore's")
    parser.add_argument("--check", action="store_true", help="compare with the committed table instead of printing")
    arguments = parser.parse_args()
    path, version = (arguments.model, "of the given file") if arguments.model else installed_model()
    text = table(read_model(path), version)
    if not arguments.check:
        sys.stdout.write(text)
    elif TABLE.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{TABLE} is not what {path} gives: run scripts/shapes/generate.py")


if __name__ == "__main__":
    main()
