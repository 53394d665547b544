"docs/bench.md from the tables in docs/bench/."
import csv
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]/'docs'
KEPT = DOCS/'bench'
COLUMNS = ['machine', 'work', 'configuration', 'measure', 'here', 'other', 'ratio', 'target', 'remark']
TARGETS = {('training', 'paper', 'peer'): '2.0', ('embedding', 'paper', 'peer'): '2.5', ('training', 'demo', 'before'): '1.8',
           ('inpainting', '-', 'before'): '3', ('cellprofiler', '-', 'before'): '4', ('drawing', '-', 'before'): '1.5',
           ('cutting', '-', 'before'): '2'}
OTHERS = dict(before='times the code before (fe2f10f)', peer="times the authors' TensorFlow")


def read(name):
    "A table of docs/bench/, empty if there is none"
    path = KEPT/name
    if not path.exists(): return []
    with open(path, newline='') as f: return list(csv.DictReader(f))


def keep(rows, machine, about):
    "Put the ratios of a run into ratios.csv, in the place of older ones of the same machine and work"
    new = []
    for r in rows:
        w, c = r['work'], r['configuration']
        for name, measure in OTHERS.items():
            if f'ratio_to_{name}' not in r: continue
            new.append(dict(machine=machine, work=w, configuration=c, measure=measure, here=r['here_per_s'],
                            other=r[f'{name}_per_s'], ratio=r[f'ratio_to_{name}'], remark=f"{r['precision']}; {about}",
                            target=TARGETS.get((w, c, name), '')))
            if w == 'training' and c == 'paper':
                new.append(dict(machine=machine, work=w, configuration=c, measure=f'peak memory, GiB; other: {name}',
                                here=r['here_peak_GiB'], other=r[f'{name}_peak_GiB'], target='2.6 GiB', remark=about,
                                ratio=round(r['here_peak_GiB'] / r[f'{name}_peak_GiB'], 2)))
    def place(r): return tuple(r[k] for k in COLUMNS[:4])
    write('ratios.csv', [r for r in read('ratios.csv') if place(r) not in set(map(place, new))] + new)


def write(name, rows):
    "A table into docs/bench/"
    with open(KEPT/name, 'w', newline='') as f:
        writer = csv.DictWriter(f, COLUMNS, lineterminator='\n')
        writer.writeheader(), writer.writerows(rows)


def table(rows):
    "Lines of a Markdown table"
    columns = list(rows[0])
    lines = [columns, ['---'] * len(columns), *([r[c] for c in columns] for r in rows)]
    return '\n'.join('| ' + ' | '.join(map(str, line)) + ' |' for line in lines)


def grown():
    "Seconds at 10^4, 10^5 and 10^6 crops; what was not measured in brackets"
    out = {}
    for r in read('growth.csv'):
        if r['crops'] not in ('10000', '100000', '1000000'): continue
        s = f"{float(r['seconds']):,.0f}" if float(r['seconds']) >= 10 else f"{float(r['seconds']):.2g}"
        row = out.setdefault(r['work'], dict(work=r['work'], exponent=r['exponent']))
        row[f"{int(r['crops']):,} crops, s"] = s if r['how'] == 'measured' else f'({s})'
    return list(out.values())


def write_page():
    "All of it"
    parts = [(KEPT/'head.txt').read_text().rstrip()]
    rows = read('ratios.csv')
    for machine in dict.fromkeys(r['machine'] for r in rows):
        mine = [{k: r[k] for k in COLUMNS[1:]} for r in rows if r['machine'] == machine]
        parts += [f'## {machine}', table(mine)]
    notes = {p.stem: p.read_text().rstrip() for p in KEPT.glob('*.txt')}
    if read('quality.csv'): parts += ['## bfloat16 against float32', notes.get('quality', ''), table(read('quality.csv'))]
    if grown(): parts += ['## From ten thousand crops to a million', notes.get('growth', ''), table(grown()), '![growth](bench/growth.png)']
    (DOCS/'bench.md').write_text('\n\n'.join(p for p in parts if p) + '\n')
