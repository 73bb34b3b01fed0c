"""Writes twins of a GGUF file in which every quantised matrix has another type: python twins.py FILE.gguf Q8_0 BF16

The same model for another row of a table of speeds: metadata, names and vectors stay as they are. A twin lies beside the
file, or in the folder that --into names. Needs the packages of requirements.txt.
"""

import argparse
import pathlib

import gguf
import numpy


def twin(source: gguf.GGUFReader, wanted: gguf.GGMLQuantizationType, path: pathlib.Path) -> None:
    writer = gguf.GGUFWriter(path, source.get_field("general.architecture").contents())
    for field in source.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for tensor in source.tensors:
        kept = tensor.tensor_type in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16)
        data = tensor.data
        if not kept:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
            data = gguf.quants.quantize(values, wanted)
        writer.add_tensor(tensor.name, data, raw_dtype=tensor.tensor_type if kept else wanted)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("file", type=pathlib.Path)
    arguments.add_argument("types", nargs="+", choices=["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "BF16", "F16", "F32"])
    arguments.add_argument("--into", type=pathlib.Path)
    given = arguments.parse_args()
    source = gguf.GGUFReader(given.file)
    for name in given.types:
        path = (given.into or given.file.parent) / f"{given.file.name.removesuffix('.gguf').rsplit('.', 1)[0]}.{name}.gguf"
        if path.exists():
            raise SystemExit(f"{path} is there already")
        twin(source, gguf.GGMLQuantizationType[name], path)
        print(path)


main()
