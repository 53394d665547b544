"Side by side on one CPU: this checkout, an older one and the authors' code take turns, each in its own process."
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from .work import WORK

HERE, NETWORK = Path(__file__).resolve().parent, ['training', 'embedding']


def precision_of(folder, work):
    "The precision in which a checkout trains on this machine; all else is float32, so that numbers agree"
    if work != 'training': return 'float32'
    asks = "from bench.work import one_of; print(one_of('losses.best_dtype', 'training.best_dtype')('cpu') or 'float32')"
    path = os.pathsep.join(map(os.fspath, (folder, HERE.parent)))   # its own cytoself_nb, our bench
    env = dict(os.environ, PYTHONPATH=path)
    said = subprocess.run([sys.executable, '-c', asks], env=env, cwd=folder, capture_output=True, text=True, check=True)
    return said.stdout.split()[-1].removeprefix('torch.')


def start(name, o, work, configuration):
    "A process that has built its network and taken its first step"
    threads = os.environ.get('OMP_NUM_THREADS') or str(len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else 2)
    env = dict(os.environ, OMP_NUM_THREADS=threads, TF_CPP_MIN_LOG_LEVEL='3', BENCH_CLOCK=o.clock)
    folder = {'here': HERE.parent, 'before': o.before, 'peer': o.peer}[name]
    python = o.peer_python if name == 'peer' else sys.executable
    program = HERE/('peer.py' if name == 'peer' else 'worker.py')
    folder = Path(folder).resolve()
    precision = 'float32' if name == 'peer' else precision_of(folder, work)
    call = [python, program, folder, work, configuration, str(o.seconds), precision]
    p = subprocess.Popen(call, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    p.about = answer(p)
    return p


def answer(p):
    "The next line that a process writes, as a dict"
    for line in p.stdout:
        if line.startswith('{'): return json.loads(line)
    raise SystemExit(f'{p.args[1].name} ended with {p.wait()}; its message stands above')


def turn(p):
    "One repetition: crops (or fields) per second and peak memory so far"
    p.stdin.write('go\n'), p.stdin.flush()
    return answer(p)


def row(o, names, work, configuration):
    "Medians of all, and ratios of this checkout to the others"
    running = {name: start(name, o, work, configuration) for name in names}
    turns = [{name: turn(p) for name, p in running.items()} for _ in range(o.repeats)]
    for p in running.values(): p.stdin.close(), p.wait()
    out = dict(work=work, configuration=configuration, precision=running['here'].about['precision'])
    def median(f): return round(statistics.median(f(t) for t in turns), 2)
    for name in names: out[f'{name}_per_s'] = median(lambda t: t[name]['per_s'])
    for name in names[1:]: out[f'ratio_to_{name}'] = median(lambda t: t['here']['per_s'] / t[name]['per_s'])
    for name in names: out[f'{name}_peak_GiB'] = round(turns[-1][name]['peak_GiB'], 2)
    return out


def plan(o):
    "Pairs of work and configuration"
    works = {'both': NETWORK, 'other': list(WORK), 'all': [*NETWORK, *WORK]}.get(o.work, [o.work])
    wanted = ['paper', 'demo'] if o.configuration == 'both' else [o.configuration]
    return [(w, c) for w in works for c in (wanted if w in NETWORK else ['-'])]


def compare(o):
    "All rows, and a line about the machine"
    import torch
    threads = os.environ.get('OMP_NUM_THREADS') or len(os.sched_getaffinity(0))
    about = (f'{platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, '
             f'{threads} threads, torch {torch.__version__}, {o.repeats} alternating repetitions of {o.seconds:g} s'
             f'{" of processor time" * (o.clock == "cpu")}, medians')
    rows = []
    for work, configuration in plan(o):
        peer = bool(o.peer and configuration == 'paper')
        rows.append(row(o, ['here'] + ['before'] * bool(o.before) + ['peer'] * peer, work, configuration))
        print('  '.join(f'{k}={v}' for k, v in rows[-1].items()), flush=True)
    return rows, about
