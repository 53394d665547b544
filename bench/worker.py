"One work of one checkout, measured when asked: called by `bench/cpu.py`."
import ctypes
import json
import os
import sys
import time
from pathlib import Path


def peak_GiB():
    "Highest memory of this process so far"
    status = Path('/proc/self/status')
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith('VmHWM'): return int(line.split()[1]) / 2**20
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == 'darwin' else 2**20)


def keep_freed_memory():
    "What the project sets before it trains: freed memory stays for the next step"
    try: libc = ctypes.CDLL('libc.so.6')
    except OSError: return
    libc.mallopt(-1, 2**31 - 1), libc.mallopt(-4, 0)


def take_turns(step, amount, seconds, precision):
    "Two steps to warm up, then one repetition for each line that comes in; each answers with a line"
    clock = time.process_time if os.environ.get('BENCH_CLOCK') == 'cpu' else time.perf_counter
    step(), step()
    print(json.dumps(dict(precision=precision)), flush=True)
    for _ in sys.stdin:
        start, steps = clock(), 0
        while clock() - start < seconds:
            step()
            steps += 1
        rate = amount * steps / (clock() - start)
        print(json.dumps(dict(per_s=rate, peak_GiB=peak_GiB())), flush=True)


def network_step(work, configuration, precision):
    "A step of the network, and its crops"
    import torch

    from bench.network import CONFIGURATIONS, adam_of, crops, embedding_step, network, training_step
    model, batch = network(configuration), CONFIGURATIONS[configuration][1]
    x, y = crops(model, batch)
    dtype = None if precision == 'float32' else getattr(torch, precision)
    adam = adam_of(model)
    model.train(work == 'training')
    if work == 'training': return lambda: training_step(model, adam, x, y, dtype), batch
    return lambda: embedding_step(model, x), batch


def main():
    "Build what is measured, then take turns"
    folder, work, configuration, seconds, precision = sys.argv[1:]
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from bench.work import WORK   # of this checkout; what it measures comes from `folder`
    sys.path.insert(0, folder)
    keep_freed_memory()
    step = WORK[work]() if work in WORK else network_step(work, configuration, precision)
    take_turns(*step, float(seconds), precision)


if __name__ == '__main__': main()
