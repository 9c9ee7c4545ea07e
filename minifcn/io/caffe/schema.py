"""The messages of Caffe's files, as far as these networks need them.

Caffe keeps definitions (.prototxt, text) and weights (.caffemodel, binary) as Protocol Buffers.
The protobuf library reads both once it knows the messages; the table below names every field, its
number and its type as caffe.proto (BVLC, version 1.0) does. ``*`` marks a repeated field, ``[]`` a
packed one; what stands behind = is the default where it is not zero.
"""

from functools import cache

from ..kinds import WeightsError

MESSAGES = """
BlobShape: dim 1 int64[]
BlobProto: num 1 int64, channels 2 int64, height 3 int64, width 4 int64, data 5 float[],
    diff 6 float[], shape 7 BlobShape, double_data 8 double[], double_diff 9 double[]
FillerParameter: type 1 string=constant, value 2 float, min 3 float, max 4 float=1, mean 5 float,
    std 6 float=1, sparse 7 int32=-1, variance_norm 8 VarianceNorm
NetParameter: name 1 string, layers 2 V1LayerParameter*, input 3 string*, input_dim 4 int32*,
    force_backward 5 bool, state 6 NetState, debug_info 7 bool, input_shape 8 BlobShape*,
    layer 100 LayerParameter*
NetState: phase 1 Phase=TEST, level 2 int32, stage 3 string*
NetStateRule: phase 1 Phase, min_level 2 int32, max_level 3 int32, stage 4 string*,
    not_stage 5 string*
ParamSpec: name 1 string, share_mode 2 DimCheckMode, lr_mult 3 float=1, decay_mult 4 float=1
LayerParameter: name 1 string, type 2 string, bottom 3 string*, top 4 string*,
    loss_weight 5 float*, param 6 ParamSpec*, blobs 7 BlobProto*, include 8 NetStateRule*,
    exclude 9 NetStateRule*, phase 10 Phase, propagate_down 11 bool*,
    transform_param 100 TransformationParameter, loss_param 101 LossParameter,
    accuracy_param 102 AccuracyParameter, concat_param 104 ConcatParameter,
    convolution_param 106 ConvolutionParameter, data_param 107 DataParameter,
    dropout_param 108 DropoutParameter, dummy_data_param 109 DummyDataParameter,
    eltwise_param 110 EltwiseParameter, hdf5_data_param 112 HDF5DataParameter,
    image_data_param 115 ImageDataParameter, inner_product_param 117 InnerProductParameter,
    lrn_param 118 LRNParameter, memory_data_param 119 MemoryDataParameter,
    pooling_param 121 PoolingParameter, power_param 122 PowerParameter,
    relu_param 123 ReLUParameter, sigmoid_param 124 EngineParameter,
    softmax_param 125 SoftmaxParameter, tanh_param 127 EngineParameter,
    python_param 130 PythonParameter, flatten_param 135 FlattenParameter,
    scale_param 142 ScaleParameter, input_param 143 InputParameter, crop_param 144 CropParameter
V1LayerParameter: bottom 2 string*, top 3 string*, name 4 string, type 5 LayerType,
    blobs 6 BlobProto*, blobs_lr 7 float*, weight_decay 8 float*, concat_param 9 ConcatParameter,
    convolution_param 10 ConvolutionParameter, data_param 11 DataParameter,
    dropout_param 12 DropoutParameter, hdf5_data_param 13 HDF5DataParameter,
    image_data_param 15 ImageDataParameter, inner_product_param 17 InnerProductParameter,
    lrn_param 18 LRNParameter, pooling_param 19 PoolingParameter, power_param 21 PowerParameter,
    memory_data_param 22 MemoryDataParameter, eltwise_param 24 EltwiseParameter,
    dummy_data_param 26 DummyDataParameter, accuracy_param 27 AccuracyParameter,
    relu_param 30 ReLUParameter, include 32 NetStateRule*, exclude 33 NetStateRule*,
    loss_weight 35 float*, transform_param 36 TransformationParameter,
    tanh_param 37 EngineParameter, sigmoid_param 38 EngineParameter,
    softmax_param 39 SoftmaxParameter, loss_param 42 LossParameter, param 1001 string*,
    blob_share_mode 1002 DimCheckMode*
TransformationParameter: scale 1 float=1, mirror 2 bool, crop_size 3 uint32, mean_file 4 string,
    mean_value 5 float*, force_color 6 bool, force_gray 7 bool
LossParameter: ignore_label 1 int32, normalize 2 bool, normalization 3 NormalizationMode=VALID
AccuracyParameter: top_k 1 uint32=1, axis 2 int32=1, ignore_label 3 int32
ConcatParameter: concat_dim 1 uint32=1, axis 2 int32=1
ConvolutionParameter: num_output 1 uint32, bias_term 2 bool=true, pad 3 uint32*,
    kernel_size 4 uint32*, group 5 uint32=1, stride 6 uint32*, weight_filler 7 FillerParameter,
    bias_filler 8 FillerParameter, pad_h 9 uint32, pad_w 10 uint32, kernel_h 11 uint32,
    kernel_w 12 uint32, stride_h 13 uint32, stride_w 14 uint32, engine 15 Engine, axis 16 int32=1,
    force_nd_im2col 17 bool, dilation 18 uint32*
CropParameter: axis 1 int32=2, offset 2 uint32*
DataParameter: source 1 string, scale 2 float=1, mean_file 3 string, batch_size 4 uint32,
    crop_size 5 uint32, mirror 6 bool, rand_skip 7 uint32, backend 8 DB,
    force_encoded_color 9 bool, prefetch 10 uint32=4
DropoutParameter: dropout_ratio 1 float=0.5
DummyDataParameter: data_filler 1 FillerParameter*, num 2 uint32*, channels 3 uint32*,
    height 4 uint32*, width 5 uint32*, shape 6 BlobShape*
EltwiseParameter: operation 1 EltwiseOp=SUM, coeff 2 float*, stable_prod_grad 3 bool=true
FlattenParameter: axis 1 int32=1, end_axis 2 int32=-1
HDF5DataParameter: source 1 string, batch_size 2 uint32, shuffle 3 bool
ImageDataParameter: source 1 string, scale 2 float=1, mean_file 3 string, batch_size 4 uint32=1,
    crop_size 5 uint32, mirror 6 bool, rand_skip 7 uint32, shuffle 8 bool, new_height 9 uint32,
    new_width 10 uint32, is_color 11 bool=true, root_folder 12 string
InnerProductParameter: num_output 1 uint32, bias_term 2 bool=true,
    weight_filler 3 FillerParameter, bias_filler 4 FillerParameter, axis 5 int32=1,
    transpose 6 bool
InputParameter: shape 1 BlobShape*
LRNParameter: local_size 1 uint32=5, alpha 2 float=1, beta 3 float=0.75, norm_region 4 NormRegion,
    k 5 float=1, engine 6 Engine
MemoryDataParameter: batch_size 1 uint32, channels 2 uint32, height 3 uint32, width 4 uint32
PoolingParameter: pool 1 PoolMethod, kernel_size 2 uint32, stride 3 uint32=1, pad 4 uint32,
    kernel_h 5 uint32, kernel_w 6 uint32, stride_h 7 uint32, stride_w 8 uint32, pad_h 9 uint32,
    pad_w 10 uint32, engine 11 Engine, global_pooling 12 bool, round_mode 13 RoundMode
PowerParameter: power 1 float=1, scale 2 float=1, shift 3 float
PythonParameter: module 1 string, layer 2 string, param_str 3 string, share_in_parallel 4 bool
ReLUParameter: negative_slope 1 float, engine 2 Engine
ScaleParameter: axis 1 int32=1, num_axes 2 int32=1, filler 3 FillerParameter, bias_term 4 bool,
    bias_filler 5 FillerParameter
EngineParameter: engine 1 Engine
SoftmaxParameter: engine 1 Engine, axis 2 int32=1
"""

ENUMS = {
    "Phase": {"TRAIN": 0, "TEST": 1},
    "Engine": {"DEFAULT": 0, "CAFFE": 1, "CUDNN": 2},
    "DimCheckMode": {"STRICT": 0, "PERMISSIVE": 1},
    "VarianceNorm": {"FAN_IN": 0, "FAN_OUT": 1, "AVERAGE": 2},
    "NormalizationMode": {"FULL": 0, "VALID": 1, "BATCH_SIZE": 2, "NONE": 3},
    "DB": {"LEVELDB": 0, "LMDB": 1},
    "EltwiseOp": {"PROD": 0, "SUM": 1, "MAX": 2},
    "NormRegion": {"ACROSS_CHANNELS": 0, "WITHIN_CHANNEL": 1},
    "PoolMethod": {"MAX": 0, "AVE": 1, "STOCHASTIC": 2},
    "RoundMode": {"CEIL": 0, "FLOOR": 1},
    "LayerType": {  # of V1 layers, which are numbered where later ones are named
        "NONE": 0, "ACCURACY": 1, "BNLL": 2, "CONCAT": 3, "CONVOLUTION": 4, "DATA": 5,
        "DROPOUT": 6, "EUCLIDEAN_LOSS": 7, "FLATTEN": 8, "HDF5_DATA": 9, "HDF5_OUTPUT": 10,
        "IM2COL": 11, "IMAGE_DATA": 12, "INFOGAIN_LOSS": 13, "INNER_PRODUCT": 14, "LRN": 15,
        "MULTINOMIAL_LOGISTIC_LOSS": 16, "POOLING": 17, "RELU": 18, "SIGMOID": 19, "SOFTMAX": 20,
        "SOFTMAX_LOSS": 21, "SPLIT": 22, "TANH": 23, "WINDOW_DATA": 24, "ELTWISE": 25, "POWER": 26,
        "SIGMOID_CROSS_ENTROPY_LOSS": 27, "HINGE_LOSS": 28, "MEMORY_DATA": 29, "ARGMAX": 30,
        "THRESHOLD": 31, "DUMMY_DATA": 32, "SLICE": 33, "MVN": 34, "ABSVAL": 35, "SILENCE": 36,
        "CONTRASTIVE_LOSS": 37, "EXP": 38, "DECONVOLUTION": 39,
    },
}  # fmt: skip

V1_TYPES = {  # the later name of what these networks have
    "ACCURACY": "Accuracy", "CONCAT": "Concat", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise", "FLATTEN": "Flatten", "HDF5_DATA": "HDF5Data",
    "IMAGE_DATA": "ImageData", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN",
    "MEMORY_DATA": "MemoryData", "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU",
    "SIGMOID": "Sigmoid", "SILENCE": "Silence", "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "TANH": "TanH",
}  # fmt: skip

PACKAGE = "minifcn.caffe"


@cache
def message_class(name: str) -> type:
    """The protobuf class of a message above. Raises WeightsError where protobuf is missing."""
    try:
        from google.protobuf import descriptor_pool, message_factory
    except ImportError:
        raise WeightsError("Caffe's files need protobuf: pip install 'minifcn[caffe]'") from None
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def _file():
    """The table as the descriptor that protoc would make of a .proto file."""
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="minifcn.proto", package=PACKAGE)
    for name, values in ENUMS.items():
        # The names of a file's enum values must differ, so each enum stands in a message
        enum = file.message_type.add(name=f"{name}Scope").enum_type.add(name=name)
        for key, number in values.items():
            enum.value.add(name=key, number=number)
    for line in MESSAGES.replace("\n    ", " ").strip().split("\n"):
        name, fields = line.split(": ")
        message = file.message_type.add(name=name)
        for text in fields.split(", "):
            _add_field(message, *text.split())
    return file


def _add_field(message, name: str, number: str, kind: str) -> None:
    kind, _, default = kind.partition("=")
    repeated, packed = kind.endswith(("*", "[]")), kind.endswith("[]")
    kind = kind.rstrip("*[]")
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if packed:
        field.options.packed = True
    if default:
        field.default_value = default
    if kind in ENUMS:
        field.type, field.type_name = field.TYPE_ENUM, f".{PACKAGE}.{kind}Scope.{kind}"
    elif kind[0].isupper():
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")
