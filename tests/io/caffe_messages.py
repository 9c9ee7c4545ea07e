"""Caffe's messages as the public caffe.proto has them, written down once more, for the tests.

Only what the tests write. ``write`` makes binary files with the protobuf library; the number of
every field stands here, so that a wrong one in the package is found.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

F = descriptor_pb2.FieldDescriptorProto
STRING, FLOAT, DOUBLE, INT64 = F.TYPE_STRING, F.TYPE_FLOAT, F.TYPE_DOUBLE, F.TYPE_INT64
INT32, MESSAGE = F.TYPE_INT32, F.TYPE_MESSAGE

TABLE = {  # message -> (name, number, type, repeated, packed, type's name)
    "BlobShape": [("dim", 1, INT64, True, True, "")],
    "BlobProto": [
        ("num", 1, INT32, False, False, ""),
        ("channels", 2, INT32, False, False, ""),
        ("height", 3, INT32, False, False, ""),
        ("width", 4, INT32, False, False, ""),
        ("data", 5, FLOAT, True, True, ""),
        ("diff", 6, FLOAT, True, True, ""),
        ("shape", 7, MESSAGE, False, False, "BlobShape"),
        ("double_data", 8, DOUBLE, True, True, ""),
        ("double_diff", 9, DOUBLE, True, True, ""),
    ],
    "LooseBlob": [  # as files from before packed fields have it
        ("data", 5, FLOAT, True, False, ""),
        ("shape", 7, MESSAGE, False, False, "BlobShape"),
    ],
    "LayerParameter": [
        ("name", 1, STRING, False, False, ""),
        ("type", 2, STRING, False, False, ""),
        ("bottom", 3, STRING, True, False, ""),
        ("top", 4, STRING, True, False, ""),
        ("blobs", 7, MESSAGE, True, False, "BlobProto"),
    ],
    "LooseLayer": [
        ("name", 1, STRING, False, False, ""),
        ("blobs", 7, MESSAGE, True, False, "LooseBlob"),
    ],
    "V1LayerParameter": [
        ("bottom", 2, STRING, True, False, ""),
        ("top", 3, STRING, True, False, ""),
        ("name", 4, STRING, False, False, ""),
        ("type", 5, INT32, False, False, ""),
        ("blobs", 6, MESSAGE, True, False, "BlobProto"),
    ],
    "NetParameter": [
        ("name", 1, STRING, False, False, ""),
        ("layers", 2, MESSAGE, True, False, "V1LayerParameter"),
        ("layer", 100, MESSAGE, True, False, "LayerParameter"),
    ],
    "LooseNet": [("layer", 100, MESSAGE, True, False, "LooseLayer")],
}
V1_CONVOLUTION, V1_INNER_PRODUCT, V1_RELU = 4, 14, 18


def classes() -> dict[str, type]:
    """The messages of the table as protobuf classes, by name."""
    file = descriptor_pb2.FileDescriptorProto(name="written_by_tests.proto", package="written")
    for name, fields in TABLE.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated, packed, inner in fields:
            added = message.field.add(name=field, number=number, type=kind)
            added.label = F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL
            added.options.packed = packed
            if inner:
                added.type_name = f".written.{inner}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = (pool.FindMessageTypeByName(f"written.{name}") for name in TABLE)
    return {d.name: message_factory.GetMessageClass(d) for d in found}
