"""The reference's columns as the GPU's rows: channels fastest, all images together."""

import numpy as np
from minifcn.kernels.reference.im2col import col2im, im2col


def rows_of(x, kernel_size, stride, padding, dilation, output_size):
    """rows[(n*OH + oh)*OW + ow, (i*KW + j)*C + c], from maps (N, C, H, W)."""
    (KH, KW), (PH, PW), (OH, OW), C = kernel_size, padding, output_size, x.shape[1]
    padded = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    cols = [im2col(image, kernel_size, stride, dilation, range(OH), OW) for image in padded]
    cols = np.stack(cols).reshape(len(x), C, KH, KW, OH, OW)
    return cols.transpose(0, 4, 5, 2, 3, 1).reshape(-1, KH * KW * C)


def add_rows(rows, shape, kernel_size, stride, padding, dilation, output_size):
    """The way back to maps of a shape (N, C, H, W): each number goes where it came from."""
    (KH, KW), (PH, PW), (OH, OW), (N, C, H, W) = kernel_size, padding, output_size, shape
    cols = rows.reshape(N, OH, OW, KH, KW, C).transpose(0, 5, 3, 4, 1, 2)
    padded = np.zeros((N, C, H + 2 * PH, W + 2 * PW), rows.dtype)
    for image, columns in zip(padded, cols, strict=True):
        col2im(columns, image, kernel_size, stride, dilation, range(OH), OW)
    return padded[:, :, PH : PH + H, PW : PW + W]
