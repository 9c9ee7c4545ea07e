"""The numerical kernels: arrays in, arrays out, nothing known of autograd.

Every backend is a package with the same functions in files of the same names:

    reference/   NumPy. The specification: reads like the formula, exact in float64
    cpu/         Numba. The same functions, fast, with more files behind them
    cuda/        CuPy and .cu files. The same functions on a GPU, or on the CPU, emulated; and one
                 more, keep_mask, which draws dropout's masks there
    numba_cuda/  four of the kernels once more in Python, to step through: no table

Beside them shapes.py (output sizes) and filters.py (the bilinear filter), shared by all.

The kernel table, with arrays as (N, C, H, W) and every ``stride``, ``padding``, ``dilation``,
``offset``, ``kernel_size``, ``input_size`` and ``output_size`` a pair (vertical, horizontal) of
ints:

    conv.py        conv2d(x, w, b, stride, padding, dilation, groups, relu=False, out=None) -> y
                   conv2d_grad_input(gy, w, input_size, stride, padding, dilation, groups) -> gx
                   conv2d_grad_weight(gy, x, kernel_size, stride, padding, dilation, groups)
                       -> gw
                   empty_maps(shape, like) -> an array for such results
    matmul.py      matmul(a, b) -> y
    pool.py        max_pool2d(x, kernel_size, stride, padding, dilation, output_size,
                       want_argmax=True) -> y, argmax or None
                   max_pool2d_grad(gy, argmax, input_size, kernel_size, stride, padding,
                       dilation) -> gx
                   avg_pool2d(x, kernel_size, stride, padding, dilation, output_size) -> y
                   avg_pool2d_grad(gy, input_size, kernel_size, stride, padding, dilation) -> gx
    activation.py  relu(x) -> y
                   relu_grad(gy, y, out=None) -> gx
                   bias_grad(gy) -> gb
                   relu_bias_grad(gy, y, out=None) -> gx, gb
    arithmetic.py  add(x, y), scale(x, number), dropout(x, keep, factor), of large arrays
                   add_(x, y) -> x + y, in x
    softmax.py     softmax(x, axis) -> y      softmax_grad(gy, y, axis) -> gx
                   log_softmax(x, axis) -> y      log_softmax_grad(gy, y, axis) -> gx
    cat.py         cat(arrays, axis) -> y
    lrn.py         local_response_norm(x, size, alpha, beta, k) -> y, scale
                   local_response_norm_grad(gy, x, y, scale, size, alpha, beta) -> gx
    loss.py        cross_entropy(scores, labels, weight, ignore_index) -> losses, log_sum_exp
                   cross_entropy_grad(scores, labels, log_sum_exp, pixel_scale, ignore_index)
                       -> gscores
    upsample.py    upsample_bilinear(x, kernel_size, stride, padding, output_size) -> y
                   upsample_bilinear_grad(gy, input_size, kernel_size, stride, padding) -> gx
    scores.py      upsample_cross_entropy(x, kernel_size, stride, padding, offset, labels, weight,
                       ignore_index) -> losses, log_sum_exp
                   upsample_cross_entropy_grad(x, kernel_size, stride, padding, offset, labels,
                       log_sum_exp, pixel_scale, ignore_index) -> gx
                   argmax_classes(scores) -> best
                   argmax_upsampled(x, kernel_size, stride, padding, offset, output_size)
                       -> best
    solver.py      sgd_step(w, g, v, rate, momentum, decay), in place
                   adamw_step(w, g, m, s, rate, beta1, beta2, epsilon, decay, step), in place
                   sgd_steps(parameters), adamw_steps(parameters), a list of their arguments
    confusion.py   confusion_counts(labels, predictions, num_classes, ignore_index) -> counts

Kernels trust their arguments: shapes, types and values are checked once, in ``minifcn.functions``
and in ``kernels.shapes``, before a kernel is called. Layout is a matter of strides: a kernel takes
any strides and may return channels-last ones. Results are new arrays, or ``out``: some channels of
larger maps for a convolution, for a gradient perhaps gy itself.
"""
