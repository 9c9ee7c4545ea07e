"""Four ideas of the CUDA backend once more, in Python with numba.cuda: for learning.

    im2col.py   im2col and col2im: a thread a number
    pool.py     max_pool2d and its gradient: a thread a number
    loss.py     cross_entropy and its gradient: a thread a pixel
    device.py   where arrays live, how a kernel is launched, which element a thread has

A kernel is a function under ``@cuda.jit`` that says what one thread does. ``kernel[blocks, 128](x,
y)`` starts ``blocks`` blocks of 128 threads, which all run that function; ``cuda.grid(1)`` tells a
thread its number among them all. The rest is index arithmetic: the number says which element of
the result is the thread's own, and that says which elements it has to read. No two threads write
the same element, so that none has to wait for another.

On a GPU the functions take and give CuPy's arrays. Numba finds their memory through
``__cuda_array_interface__``: it is shared, nothing is copied. That needs CuPy, Numba's CUDA
package and the libraries of a compiler, of CUDA 13 or, in the same way, 12:

    pip install "minifcn[cuda13,numba-cuda]" "numba-cuda[cu13]"

Without a GPU there is the simulator, which comes with Numba, and takes and gives NumPy's arrays.
Each CUDA thread is a Python thread there, which runs the function as it stands: some thousand of
them a second, so arrays should be small. But print works, an index beyond the end of an array
raises an IndexError that names the thread, and a debugger can look on. An environment variable
asks for the simulator, before Numba is imported:

    NUMBA_ENABLE_CUDASIM=1 python step.py

To step through a kernel, let step.py be

    import numpy as np
    from minifcn.kernels.numba_cuda.pool import max_pool2d

    x = np.array([[[[1, 5, 2, 0], [4, 3, 8, 8]]]], np.float32)
    y, argmax = max_pool2d(x, (2, 2), (2, 2), (0, 0), (1, 1), (1, 2))
    print(y, argmax)

and write into pool.py, in ``_max_pool``, below the line that calls ``place_of``:

    if t == 1: breakpoint()

(Without the condition all threads would stop, and talk at once.) The output has two numbers, of
which thread 1 has the second: the maximum of 2, 0, 8 and 8. It stops there and answers questions:

    (Pdb) p t, n, oh, ow, c
    (1, 0, 0, 1, 0)
    (Pdb) p x[0, 0, 2, 0], x[0, 1, 2, 0]
    (np.float32(2.0), np.float32(8.0))
    (Pdb) c
    [[[[5. 8.]]]] [[[[1 2]]]]

``p`` shows a value; it is needed, because the names n, c, h and w are commands too. ``n`` runs
one line, ``s`` steps into a function, ``l`` shows the lines around, ``w`` who called, and ``c``
goes on to the end. Arrays show single elements only. Take the line out again before a GPU runs the
kernel.

Things to try. Which addresses do the 32 threads of a warp read, for one channel and for 32? Print
((n*H + h)*W + w)*C + c in ``_im2col``. And in ``_max_pool_grad``, let a thread take each number of
gy and add it to gx where its maximum was: the simulator, which changes from one thread to another
every few milliseconds only, will hardly ever show what is wrong with that. A GPU will.
"""
