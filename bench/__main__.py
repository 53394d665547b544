"`python -m bench`: speed and memory of the network, side by side with an older checkout and the authors' code."
import argparse
import csv
import os
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def options():
    "What can be asked"
    p = argparse.ArgumentParser(prog='python -m bench', description=__doc__)
    p.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    p.add_argument('--before', help='folder of an older checkout, measured in turn with this one')
    p.add_argument('--peer', help="folder of the authors' code, branch cytoself-tensorflow")
    p.add_argument('--peer-python', default=sys.executable, help='Python with tensorflow-cpu 2.15.1 and numpy below 2')
    p.add_argument('--configuration', choices=('paper', 'demo', 'both'), default='both')
    p.add_argument('--work', choices=('training', 'embedding', 'both'), default='both')
    p.add_argument('--batches', type=int, nargs='+', default=(32, 128, 512), help='cuda only')
    p.add_argument('--limit', type=float, default=170, help='cuda only: seconds for the whole table')
    p.add_argument('--repeats', type=int, default=5)
    p.add_argument('--seconds', type=float, default=4, help='of each repetition')
    p.add_argument('--out', type=Path, default=Path('bench-results'))
    return p.parse_args()


def write(rows, out, name, about):
    "A table as CSV and as Markdown"
    out.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(k for row in rows for k in row))
    with open(out/f'{name}.csv', 'w', newline='') as f:
        writer = csv.DictWriter(f, columns)
        writer.writeheader(), writer.writerows(rows)
    lines = [f'{about}\n', '| ' + ' | '.join(columns) + ' |', '| ' + ' | '.join('---' for _ in columns) + ' |']
    lines += ['| ' + ' | '.join(str(row.get(c, '')) for c in columns) + ' |' for row in rows]
    (out/f'{name}.md').write_text('\n'.join(lines) + '\n')
    return out/f'{name}.md'


def on_cuda(o):
    "Ways to run the network on a CUDA device, compared"
    import torch

    from .cuda import table
    if not torch.cuda.is_available(): raise SystemExit('no CUDA device here; leave --device out')
    about = f'{torch.cuda.get_device_name()}, torch {torch.__version__}, Python {platform.python_version()}'
    wanted = ['paper', 'demo'] if o.configuration == 'both' else [o.configuration]
    rows = []
    def show(row): print('  '.join(str(v) for v in row.values()), flush=True)
    for k, configuration in enumerate(wanted):
        rows += table(configuration, tuple(o.batches), o.limit if not k else o.limit / 3, show)
        write(rows, o.out, 'cuda', about)
    print((o.out/'cuda.md').read_text())


def main():
    "Choose"
    o = options()
    sys.path.insert(0, os.fspath(HERE.parent))
    if o.device == 'cuda': on_cuda(o)
    else:
        from .cpu import compare
        rows, about = compare(o)
        print(write(rows, o.out, 'network', about).read_text())


if __name__ == '__main__': main()
