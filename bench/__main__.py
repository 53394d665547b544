"`python -m bench`: speed and memory, side by side with an older checkout and the authors' code; growth with the number of crops."
import argparse
import csv
import os
import platform
import sys
from pathlib import Path

from .work import WORK

HERE = Path(__file__).resolve().parent


def options():
    "What can be asked"
    p = argparse.ArgumentParser(prog='python -m bench', description=__doc__)
    p.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    p.add_argument('--before', help='folder of an older checkout, measured in turn with this one')
    p.add_argument('--peer', help="folder of the authors' code, branch cytoself-tensorflow")
    p.add_argument('--peer-python', default=sys.executable, help='Python with tensorflow-cpu 2.15.1 and numpy below 2')
    p.add_argument('--configuration', choices=('paper', 'demo', 'both'), default='both')
    p.add_argument('--work', choices=('training', 'embedding', 'both', *WORK, 'other', 'all'), default='both',
                   help='both: training and embedding; other: all that is not the network')
    p.add_argument('--machine', help='a name for this machine: the ratios go into docs/bench/ and docs/bench.md')
    p.add_argument('--growth', action='store_true', help='how time grows from 1,000 crops to a million')
    p.add_argument('--quality', action='store_true', help='bfloat16 against float32, three seeds each')
    p.add_argument('--page', action='store_true', help='write docs/bench.md from docs/bench/')
    p.add_argument('--batches', type=int, nargs='+', default=(32, 128, 512), help='cuda only')
    p.add_argument('--limit', type=float, default=170, help='cuda only: seconds for the whole table')
    p.add_argument('--clock', choices=('wall', 'cpu'), default='wall', help='cpu: on a machine with other work, one thread')
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
    if o.device == 'cuda': return on_cuda(o)
    from . import page
    if o.growth:
        from .growth import growth
        growth(page.KEPT)
    elif o.quality:
        from .quality import quality
        quality(page.KEPT)
    elif not o.page:
        from .cpu import compare
        rows, about = compare(o)
        print(write(rows, o.out, 'network', about).read_text())
        if o.machine: page.keep(rows, o.machine, about)
    if o.growth or o.quality or o.page or o.machine: page.write_page()


if __name__ == '__main__': main()
