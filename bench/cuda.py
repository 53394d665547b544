"What a CUDA device makes of the network: precision, memory layout, batch, graphs and compilation, compared."
import gc
import time
from functools import partial

import torch

from .network import adam_of, crops, embedding_step, network, training_step

DTYPES = {'fp32': None, 'tf32': None, 'bf16': torch.bfloat16}


def set_precision(name):
    "Matrix products and convolutions in TF32 unless it is `fp32`"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name != 'fp32'
    torch.backends.cudnn.benchmark = True


def prepare(work, configuration, precision, layout, batch, compiled=False):
    "A function that takes one step, with everything that it keeps"
    set_precision(precision)
    model = network(configuration)
    model.layout = torch.channels_last if layout == 'channels last' else torch.contiguous_format
    model = model.to('cuda', memory_format=model.layout)
    x, y = crops(model, batch, 'cuda')
    if compiled: model.forward = torch.compile(model.forward)
    if compiled and work == 'embedding': model.embed = torch.compile(model.embed)
    dtype = DTYPES[precision]
    if work == 'embedding': return partial(embedding_step, model.eval(), x, dtype)
    return partial(training_step, model.train(), adam_of(model, capturable=True), x, y, dtype)


def as_graph(step):
    "The same step as one CUDA graph: no Python and no kernel starts in between"
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3): step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph): kept = step()
    def replay():
        graph.replay()
        return kept
    return replay


def from_host(step):
    "The same step with its crops copied from pinned memory first, as a loader would"
    x = next(a for a in step.args if torch.is_tensor(a) and a.ndim == 4)
    host = torch.empty(x.shape).pin_memory().copy_(x)
    def copy_and_step():
        x.copy_(host, non_blocking=True)
        return step()
    return copy_and_step


def crops_per_second(step, batch, seconds=.3, repeats=3):
    "Median over repetitions"
    for _ in range(4): step()
    torch.cuda.synchronize()
    start = time.perf_counter()
    step(), torch.cuda.synchronize()
    steps, rates = max(2, int(seconds / (time.perf_counter() - start))), []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(steps): step()
        torch.cuda.synchronize()
        rates.append(batch * steps / (time.perf_counter() - start))
    return sorted(rates)[repeats // 2]


def measure(work, configuration, precision, layout, batch, way='eager'):
    "One row of the table; what fails says why"
    row = dict(work=work, configuration=configuration, precision=precision, layout=layout, batch=batch, way=way)
    gc.collect(), torch.cuda.empty_cache(), torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    try:
        step = prepare(work, configuration, precision, layout, batch, way == 'compile')
        step = dict(graph=as_graph, host=from_host).get(way, lambda s: s)(step)
        row['crops_per_s'] = round(crops_per_second(step, batch), 1)
        row['peak_GiB'] = round(torch.cuda.max_memory_reserved() / 2**30, 2)
    except Exception as e:   # out of memory, no compiler, no Triton: the other rows go on
        row['remark'] = f'{type(e).__name__}: {str(e).splitlines()[0][:90]}' if str(e) else type(e).__name__
    row['seconds'] = round(time.perf_counter() - start, 1)
    return row


def plan(configuration, batches):
    "What is compared, the most telling first; compilation is slow and stands last"
    both = 'training', 'embedding'
    first = [(w, configuration, p, 'channels last', b, 'eager') for b in batches for p in DTYPES for w in both]
    middle = batches[min(1, len(batches) - 1)]
    layouts = [(w, configuration, p, 'channels first', middle, 'eager') for p in DTYPES for w in both]
    ways = [(w, configuration, 'bf16', 'channels last', b, way) for way in ('host', 'graph') for b in batches[:2] for w in both]
    built = [(w, configuration, 'bf16', 'channels last', middle, 'compile') for w in both[::-1]]
    return first + layouts + ways + built


def table(configuration='paper', batches=(32, 128, 512), limit=170, show=print):
    "All rows that can be measured within `limit` seconds"
    start, rows = time.perf_counter(), []
    for row in plan(configuration, batches):
        if time.perf_counter() - start > limit - (60 if row[-1] == 'compile' else 5):
            rows.append(dict(zip(('work', 'configuration', 'precision', 'layout', 'batch', 'way'), row),
                             remark='left out: time'))
        else: rows.append(measure(*row))
        show(rows[-1])
    return rows
