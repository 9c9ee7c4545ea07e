"""How threads share the tasks of one kernel without a word from Python.

    @kernel()
    def _kernel(work, ...):
        for task in tasks(work):
            ...

``tasks`` yields the numbers of tasks, each to one thread only. It also lets the others in: it
leaves the address of the very function that it stands in, and of the arguments that this was
called with, in a place that idle threads watch (``serve``), and they call the function with the
same arguments. Between two kernels no thread needs the interpreter's lock or the operating system:
a handover through Python costs 50 to 100 microseconds, as long as a small kernel runs.

``work`` is a thread's own record: the address of the box in which the job is described, that of
memory of its own (workspace.py), and its number, 0 for the one that called the kernel. A box has
one job at a time; its fields are 64-bit integers, those that threads race for on cache lines of
their own:

    JOB         function, arguments, count, chunk, helpers allowed, what failed, how to yield,
                number of shares
    TICKET      odd while helpers may enter, another number for every job
    INSIDE      helpers that may still use function and arguments
    NEXT        for each share of the tasks the first one that nobody has taken

Every thread has a share, a range of the tasks, and takes from it as long as there are any, then
from the others. So the upper half of a map is made by one thread, which finds it in its own cache
when it makes the upper half of the next map.

A helper enters: INSIDE + 1, and only if TICKET is still the number that it saw may it call. The
owner leaves: TICKET + 1, and waits until INSIDE is 0. In either order one sees the other.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import RefType, iternext_impl, lower_builtin
from numba.extending import intrinsic, models, register_jitable, register_model

from .compile import checksum_of, kernel

LINE = 8  # integers of a cache line
FUNCTION, ARGUMENTS, COUNT, CHUNK, ALLOWED, FAILED, YIELD, SHARES = range(8)
TICKET, INSIDE, NEXT = LINE, 2 * LINE, 3 * LINE
MOST = 64  # shares; with more threads several have the same
BOX = NEXT + MOST * LINE
WORK_BOX, WORK_ROOM, WORK_NUMBER = range(3)
DATA = 4  # of the seven values that Numba passes for an array, its address
COUNTERS = 16 * LINE  # bytes: what was taken, what is done
LOOKS = 1000  # before a waiting owner lets the operating system run another thread

_long, _status = ir.IntType(64), ir.IntType(32)
# The last field says in the type of the argument which version of this file a kernel was made with
_work = np.dtype([(name, np.int64) for name in ("box", "room", "number", checksum_of("tasks.py"))])


def new_box(yield_address: int) -> np.ndarray:
    """A box without a job. yield_address: of a C function without arguments that lets another
    thread run, or 0."""
    buffer = np.zeros(BOX + LINE, np.int64)
    box = buffer[-(buffer.ctypes.data // 8) % LINE :][:BOX]
    box[YIELD] = yield_address
    return box


def new_work(box: np.ndarray, number: int) -> np.ndarray:
    """The record of thread ``number``; ``work.view(np.int64)`` are its fields."""
    work = np.zeros(1, _work)
    work["box"], work["number"] = box.ctypes.data, number
    return work


def describe(box: np.ndarray, count: int, chunk: int, helpers: int) -> None:
    """A job of ``count`` tasks, which are taken in chunks, for so many helpers and the caller."""
    shares = min(helpers + 1, MOST)
    box[COUNT], box[CHUNK], box[SHARES], box[ALLOWED] = count, chunk, shares, helpers
    for share in range(shares):
        box[NEXT + share * LINE] = share * count // shares


@kernel()
def serve(work, patience):
    """Help with every job that lets in helpers up to this one's number, until there was none for
    so many looks. work: the address of the helper's record."""
    box, number = _get(work, WORK_BOX), _get(work, WORK_NUMBER)
    last, looks = 0, 0
    while looks < patience:
        ticket = _look(box, TICKET)
        looks += 1
        if ticket % 2 == 0 or ticket == last:
            continue
        last = ticket
        _add(box, INSIDE, 1)
        if _look(box, TICKET) == ticket and number <= _get(box, ALLOWED):
            status = _call(_get(box, FUNCTION), _get(box, ARGUMENTS), work)
            if status != 0:
                _add(box, FAILED, 1)
            looks = 0
        _add(box, INSIDE, -1)


@intrinsic
def tasks(typing, work):
    """An iterator over the tasks that this thread takes: see the module."""

    def generate(context, builder, signature, arguments):
        record = _address(context, builder, signature, arguments)
        box = _load(builder, record, WORK_BOX)
        helped = _is_helped(builder, record, box)
        with builder.if_then(helped, likely=False):
            frame = _frame(builder)
            entry = builder.ptrtoint(_entry(builder), _long)
            _store(builder, box, FUNCTION, entry)
            _store(builder, box, ARGUMENTS, frame)
            builder.atomic_rmw("add", _place(builder, box, TICKET), _long(1), "seq_cst")
        iterator = cgutils.create_struct_proxy(_tasks)(context, builder)
        iterator.record = record
        iterator.task = cgutils.alloca_once_value(builder, _long(0))
        iterator.end = cgutils.alloca_once_value(builder, _long(0))
        number, shares = _load(builder, record, WORK_NUMBER), _load(builder, box, SHARES)
        iterator.share = cgutils.alloca_once_value(builder, builder.urem(number, shares))
        return iterator._getvalue()

    return _tasks(work), generate


@register_jitable
def take(counters):
    """The next number, from 0 on, that no thread has taken. counters: the address of COUNTERS
    bytes, zeros at first, by which threads share a preparation inside a kernel."""
    return _add(counters, 0, 1)


@register_jitable
def finish(counters):
    """Say that what was taken is done."""
    _add(counters, LINE, 1)


@intrinsic
def await_all(typing, work, counters, number):
    """Wait until so many are done."""

    def generate(context, builder, signature, arguments):
        record = _address(context, builder, signature, arguments)
        _, counters, number = arguments

        def done():
            return builder.icmp_signed(">=", _look_at(builder, counters, LINE), number)

        _wait(builder, _load(builder, record, WORK_BOX), done)
        return context.get_dummy_value()

    return types.void(work, types.int64, types.int64), generate


@intrinsic
def room_of(typing, work):
    """The address of this thread's own memory, as many bytes as ``parallel_for`` was asked for."""

    def generate(context, builder, signature, arguments):
        record = _address(context, builder, signature, arguments)
        return _load(builder, record, WORK_ROOM)

    return types.int64(work), generate


class _Tasks(types.SimpleIteratorType):
    def __init__(self):
        super().__init__("minifcn.tasks", types.int64)


_tasks = _Tasks()


@register_model(_Tasks)
class _TasksModel(models.StructModel):
    def __init__(self, manager, kind):
        number = types.EphemeralPointer(types.int64)
        super().__init__(
            manager,
            kind,
            [("record", types.int64), ("task", number), ("end", number), ("share", number)],
        )


@lower_builtin("getiter", _Tasks)
def _getiter(context, builder, signature, arguments):
    return arguments[0]


@lower_builtin("iternext", _Tasks)
@iternext_impl(RefType.UNTRACKED)
def _iternext(context, builder, signature, arguments, result):
    """The next task of the chunk; after its last one a new chunk; after the last chunk of all
    shares the end."""
    iterator = cgutils.create_struct_proxy(_tasks)(context, builder, value=arguments[0])
    box = _load(builder, iterator.record, WORK_BOX)
    used_up = builder.icmp_signed(">=", builder.load(iterator.task), builder.load(iterator.end))
    with builder.if_then(used_up, likely=False):
        _take_chunk(builder, box, iterator)
    task = builder.load(iterator.task)
    valid = builder.icmp_signed("<", task, builder.load(iterator.end))
    result.set_valid(valid)
    with builder.if_else(valid, likely=True) as (going_on, at_the_end):
        with going_on:
            result.yield_(task)
            builder.store(builder.add(task, _long(1)), iterator.task)
        with at_the_end, builder.if_then(_is_helped(builder, iterator.record, box)):
            builder.atomic_rmw("add", _place(builder, box, TICKET), _long(1), "seq_cst")
            _wait(builder, box, lambda: _is_empty(builder, box))


def _take_chunk(builder, box, iterator) -> None:
    """A chunk of the thread's share, or of the first one after it that has any left; where none
    has, the task taken is not before the chunk's end."""
    chunk, count, shares = (_load(builder, box, field) for field in (CHUNK, COUNT, SHARES))

    def try_one(tried):
        share = builder.load(iterator.share)
        after = builder.add(share, _long(1))
        limit = builder.udiv(builder.mul(after, count), shares)
        place = builder.add(box, builder.mul(share, _long(8 * LINE)))
        start = builder.atomic_rmw("add", _place(builder, place, NEXT), chunk, "monotonic")
        stop = builder.add(start, chunk)
        stop = builder.select(builder.icmp_signed("<", stop, limit), stop, limit)
        builder.store(start, iterator.task)
        builder.store(stop, iterator.end)
        found = builder.icmp_signed("<", start, stop)
        builder.store(builder.select(found, share, builder.urem(after, shares)), iterator.share)
        return builder.or_(found, builder.icmp_signed(">=", tried, shares))

    _until(builder, try_one)


def _is_helped(builder, record, box):
    """Whether this is the owner's thread, and others may help it."""
    owner = builder.icmp_signed("==", _load(builder, record, WORK_NUMBER), _long(0))
    allowed = builder.icmp_signed(">", _load(builder, box, ALLOWED), _long(0))
    return builder.and_(owner, allowed)


def _is_empty(builder, box):
    """Whether no helper is inside."""
    return builder.icmp_signed("==", _look_at(builder, box, INSIDE), _long(0))


def _wait(builder, box, condition) -> None:
    """Until the condition holds; from time to time another thread may run on this core."""

    def look(looks):
        rest = builder.srem(looks, _long(LOOKS))
        function = _load(builder, box, YIELD)
        tired = builder.and_(
            builder.icmp_signed("==", rest, _long(0)),
            builder.icmp_signed("!=", function, _long(0)),
        )
        with builder.if_then(tired, likely=False):
            kind = ir.FunctionType(_status, []).as_pointer()
            builder.call(builder.inttoptr(function, kind), [])
        return condition()

    _until(builder, look)


def _until(builder, body) -> None:
    """body(1), body(2), ... until the condition holds that it returns."""
    before, loop = builder.block, builder.append_basic_block("loop")
    done = builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    turn = builder.phi(_long)
    turn.add_incoming(_long(1), before)
    holds = body(turn)
    turn.add_incoming(builder.add(turn, _long(1)), builder.block)
    builder.cbranch(holds, done, loop)
    builder.position_at_end(done)


def _frame(builder):
    """The address of a copy of this function's arguments."""
    arguments = builder.function.args[2:]
    frame = cgutils.alloca_once(builder, ir.LiteralStructType([a.type for a in arguments]))
    for i, argument in enumerate(arguments):
        builder.store(argument, cgutils.gep_inbounds(builder, frame, 0, i))
    return builder.ptrtoint(frame, _long)


def _entry(builder):
    """A function (frame, address of a record) -> status: this one again, for a helper.

    A function that Numba compiled takes an address for its result and one for an exception, then
    its arguments, an array as seven values of which DATA is its address; it returns 0 where there
    was no exception.
    """
    function = builder.function
    result, exception, *kinds = function.function_type.args
    signature = ir.FunctionType(_status, [_long, _long])
    entry = ir.Function(function.module, signature, f"{function.name}.help")
    entry.linkage = "internal"
    inner = ir.IRBuilder(entry.append_basic_block())
    frame = inner.inttoptr(entry.args[0], ir.LiteralStructType(kinds).as_pointer())
    places = (cgutils.gep_inbounds(inner, frame, 0, i) for i in range(len(kinds)))
    arguments = [inner.load(place) for place in places]
    arguments[DATA] = inner.inttoptr(entry.args[1], kinds[DATA])
    unread = [inner.alloca(pointer.pointee) for pointer in (result, exception)]
    inner.ret(inner.call(function, [*unread, *arguments]))
    return entry


def _address(context, builder, signature, arguments):
    """Where the record lies that is the only argument."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.ptrtoint(array.data, _long)


def _place(builder, address, field: int):
    address = builder.add(address, _long(8 * field))
    return builder.inttoptr(address, _long.as_pointer())


def _load(builder, address, field: int):
    return builder.load(_place(builder, address, field))


def _store(builder, address, field: int, value) -> None:
    builder.store(value, _place(builder, address, field))


def _look_at(builder, address, field: int):
    """What another thread last wrote there. The barrier before it makes the wait: the processor
    is not busy meanwhile."""
    builder.fence("seq_cst")
    return builder.load_atomic(_place(builder, address, field), "seq_cst", 8)


@intrinsic(prefer_literal=True)
def _get(typing, address, field):
    def generate(context, builder, signature, arguments):
        return _load(builder, arguments[0], field.literal_value)

    return types.int64(types.int64, field), generate


@intrinsic(prefer_literal=True)
def _look(typing, address, field):
    def generate(context, builder, signature, arguments):
        return _look_at(builder, arguments[0], field.literal_value)

    return types.int64(types.int64, field), generate


@intrinsic(prefer_literal=True)
def _add(typing, address, field, number):
    def generate(context, builder, signature, arguments):
        place = _place(builder, arguments[0], field.literal_value)
        return builder.atomic_rmw("add", place, arguments[2], "seq_cst")

    return types.int64(types.int64, field, types.int64), generate


@intrinsic
def _call(typing, function, frame, record):
    """Status of a function that ``_entry`` made."""

    def generate(context, builder, signature, arguments):
        function, *rest = arguments
        kind = ir.FunctionType(_status, [_long, _long]).as_pointer()
        return builder.call(builder.inttoptr(function, kind), rest)

    return types.int32(types.int64, types.int64, types.int64), generate
