"""Our nets written down as Caffe definitions, today's way or the old one."""

from minifcn import nn

V1 = {
    "Convolution": "CONVOLUTION", "Deconvolution": "DECONVOLUTION", "Pooling": "POOLING",
    "InnerProduct": "INNER_PRODUCT", "ReLU": "RELU", "LRN": "LRN", "Dropout": "DROPOUT",
    "Concat": "CONCAT", "Eltwise": "ELTWISE", "Softmax": "SOFTMAX", "Power": "POWER",
}  # fmt: skip


def definition(net, v1: bool = False, offsets: bool = True) -> str:
    """The text of a net's definition. Layers that are in place in Caffe write over what they read;
    crops state their offset only if ``offsets``."""
    channels, *size = net.input_shape or (3, None, None)
    dims = [1, channels, *(n or 500 for n in size)]
    text = ['name: "net"', 'input: "data"', *(f"input_dim: {n}" for n in dims)]
    tops = {"data": "data"}
    for name, reads in net.reads.items():
        layer, bottoms = net[name], [tops[source] for source in reads]
        if isinstance(layer, nn.Flatten):
            tops[name] = bottoms[0]  # Caffe's InnerProduct does it
            continue
        if isinstance(layer, nn.Fuse):  # there, a crop and a sum
            bottoms[1] = f"{name}_crop"
            text += written(f"{name}_crop", "Crop", [tops[reads[1]], bottoms[0]],
                            [bottoms[1]], crop(layer, offsets), v1)  # fmt: skip
        kind, settings = KINDS[type(layer)](layer)
        if isinstance(layer, nn.Crop):
            settings = crop(layer, offsets)
        in_place = isinstance(layer, (nn.ReLU, nn.Dropout)) and bottoms[0] != "data"
        tops[name] = bottoms[0] if in_place else name
        text += written(name, kind, bottoms, [tops[name]], settings, v1, multipliers(layer))
    return "\n".join(text) + "\n"


def written(name, kind, bottoms, tops, settings, v1=False, params=()):
    """The lines of one layer."""
    lines = [f'name: "{name}"', f"type: {V1[kind]}" if v1 else f'type: "{kind}"']
    lines += [f'bottom: "{b}"' for b in bottoms] + [f'top: "{t}"' for t in tops]
    for rate, decay in params:
        old = [f"blobs_lr: {rate}", f"weight_decay: {decay}"]
        lines += old if v1 else [f"param {{ lr_mult: {rate} decay_mult: {decay} }}"]
    return ["layers {" if v1 else "layer {", *lines, settings, "}"]


def multipliers(layer):
    return [(p.rate, p.decay) for p in layer.parameters()]


def crop(layer, offsets):
    return f"crop_param {{ axis: 2 {both('offset', layer.offset)} }}" if offsets else ""


def both(name, values):
    return " ".join(f"{name}: {value}" for value in values)


def split(name, values):
    return f"{name}_h: {values[0]} {name}_w: {values[1]}"


def window(layer, outputs, group):
    bias = "true" if layer.bias is not None else "false"
    return (
        f"convolution_param {{ num_output: {outputs} bias_term: {bias} group: {group} "
        f"{both('kernel_size', layer.kernel_size)} {both('stride', layer.stride)} "
        f"{both('pad', layer.padding)} {both('dilation', layer.dilation)} }}"
    )


def pool(layer, method):
    rounded = "" if layer.ceil_mode else "round_mode: FLOOR"
    return "Pooling", (
        f"pooling_param {{ pool: {method} {split('kernel', layer.kernel_size)} "
        f"{split('stride', layer.stride)} {split('pad', layer.padding)} {rounded} }}"
    )


def interpolation(layer):
    text = f"{both('kernel_size', layer.kernel_size)} {both('stride', layer.factor)}"
    return "Deconvolution", f"convolution_param {{ num_output: CLASSES bias_term: false {text} }}"


KINDS = {
    nn.Conv2d: lambda l: ("Convolution", window(l, len(l.weight), l.groups)),
    nn.ConvTranspose2d: lambda l: ("Deconvolution", window(l, l.weight.shape[1], l.groups)),
    nn.UpsampleBilinear: interpolation,
    nn.MaxPool2d: lambda l: pool(l, "MAX"),
    nn.AvgPool2d: lambda l: pool(l, "AVE"),
    nn.GlobalAvgPool2d: lambda l: ("Pooling", "pooling_param { pool: AVE global_pooling: true }"),
    nn.LocalResponseNorm: lambda l: (
        "LRN",
        f"lrn_param {{ local_size: {l.size} alpha: {l.alpha} beta: {l.beta} k: {l.k} }}",
    ),
    nn.ReLU: lambda l: ("ReLU", ""),
    nn.Dropout: lambda l: ("Dropout", f"dropout_param {{ dropout_ratio: {l.p} }}"),
    nn.Linear: lambda l: (
        "InnerProduct",
        f"inner_product_param {{ num_output: {len(l.weight)} }}",
    ),
    nn.Cat: lambda l: ("Concat", ""),
    nn.Sum: lambda l: ("Eltwise", f"eltwise_param {{ {both('coeff', l.coefficients)} }}"),
    nn.Scale: lambda l: ("Power", f"power_param {{ scale: {l.factor} }}"),
    nn.Crop: lambda l: ("Crop", ""),
    nn.Fuse: lambda l: ("Eltwise", "eltwise_param { operation: SUM }"),
}
