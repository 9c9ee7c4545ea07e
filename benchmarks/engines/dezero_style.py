"""A define-by-run engine as in textbooks, complete, for additions: variables that know their
creator, functions with generations, backward in the order of generations.

The design is that of DeZero (Saito, Deep Learning from Scratch 3) and early Chainer; this is not
their code, only as many steps as theirs take: a weak reference to the output, a sorted list of
functions, gradients added as variables are reached.
"""

import weakref

import numpy as np


class Variable:
    def __init__(self, data):
        self.data, self.grad, self.creator, self.generation = data, None, None, 0

    def __add__(self, other):
        return Add()(self, other)

    def backward(self):
        self.grad = np.ones_like(self.data)
        functions, seen = [], set()

        def visit(function):
            if function is not None and function not in seen:
                seen.add(function)
                functions.append(function)
                functions.sort(key=lambda f: f.generation)

        visit(self.creator)
        while functions:
            function = functions.pop()
            gradients = function.backward(function.output().grad)
            for x, gx in zip(function.inputs, gradients, strict=True):
                x.grad = gx if x.grad is None else x.grad + gx
                visit(x.creator)
            function.output().grad = None


class Add:
    def __call__(self, *inputs):
        output = Variable(np.asarray(inputs[0].data + inputs[1].data))
        self.inputs, self.output = inputs, weakref.ref(output)
        self.generation = max(x.generation for x in inputs)
        output.creator, output.generation = self, self.generation + 1
        return output

    def backward(self, gy):
        return gy, gy
