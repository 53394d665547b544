"""Build the site of the project from notebooks, pages and panels as they are: `make docs`.

Nothing is run and no library of this project is imported, so Sphinx, MyST-NB and Furo are all that is needed.
"""
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = 'where', 'glossary', 'faq', 'api', 'bench', 'times'
HOWTO = 'own_stacks own_crops unknown_protein no_training cluster_gpu another_segmenter outside_embeddings'.split()
PAPERS = dict(
    cytoself=('The first paper, panel by panel',
              '[Kobayashi et al., Nature Methods 2022](https://doi.org/10.1038/s41592-022-01541-z), on OpenCell images of 1,311 proteins.'),
    deeploc=('The second paper, panel by panel',
             '[Razdaibiedina & Brechalov, 2022](https://arxiv.org/abs/2205.11676), on yeast images of 4,049 proteins.'))
PARTS = {'Start': [0], 'Library': range(1, 35), 'Runs': [40], 'First paper': [*range(41, 64), 65, 67], 'Second paper': range(70, 75), 'Beyond both': [64, 66, *range(75, 80), 83], 'Runner': [80, 81, 82, 90, 91]}
NOT_YET = dict(verdict='not measured yet', here='not measured since the rule was written', why='')


# --- panels

def read_panels(
    path=ROOT/'docs/panels.csv', # The table
)->list: # A dict for each panel
    "The panels of both papers and what stands beside them here"
    with open(path, encoding='utf-8', newline='') as f: return list(csv.DictReader(f))


def claim(
    name:str,            # `50_fig1_training:P1a`, for other data than simulated cells `hpa5/56_fig4_ablations:C2c`
    figures=ROOT/'figures', # Folder with one folder for each data set
)->dict: # The row of its table, and `notebook` and `folder`
    "A claim by its name, with the paper's side from rules.csv; one that is not measured yet says so"
    where, _, key = name.rpartition(':')
    folder, _, notebook = where.rpartition('/')
    path = Path(figures)/(folder or 'simulated')/f'claims_{notebook}.csv'
    with open(ROOT/'cytoself_nb/rules.csv', encoding='utf-8', newline='') as f: rules = {r['id']: r for r in csv.DictReader(f)}
    if key not in rules: raise ValueError(f'no claim {key} in rules.csv; expected one of its ids; mend docs/panels.csv')
    rows = []
    if path.exists():
        with open(path, encoding='utf-8', newline='') as f: rows = [r for r in csv.DictReader(f) if r['id'] == key]
    said = {k: rules[key][k] for k in ('id', 'claim', 'paper')}
    return (rows or [NOT_YET])[0] | said | dict(notebook=notebook, folder=folder or 'simulated')


def together(
    words:list, # Verdicts
)->str:
    "Verdicts in one line: the word, or each with its number where they differ"
    if len(set(words)) < 2: return ''.join(words[:1])
    return ', '.join(f'{w} ({words.count(w)} of {len(words)})' for w in dict.fromkeys(words))


def verdict(
    panel:dict,  # A row of the table
    claims:list, # Its claims, the paper's own first
)->str:
    "What came out, in words"
    return together([c['verdict'] for c in claims]) or panel['no']


def caption(
    figure:str,             # `simulated/fig2_atlas`
    figures=ROOT/'figures', # Folder with one folder for each data set
)->str: # What stands below the picture
    "The caption of a figure, which says what it shows and of which cells"
    folder, name = figure.split('/')
    return json.loads((Path(figures)/folder/'manifest.json').read_text(encoding='utf-8'))[name]['caption']


def table_text(
    figure:str,             # Name of a table: `simulated/table1_ablations`
    figures=ROOT/'figures', # Folder with one folder for each data set
)->list: # Lines of Markdown: who, and the score of the paper for each level
    "The paper's own columns of Table 1, to be read and searched: score on maps, mean and standard error"
    with open(Path(figures)/f'{figure}.csv', encoding='utf-8', newline='') as f:
        rows = [r for r in csv.DictReader(f) if r['metric'] == 'score (paper)' and r['place'] == 'map']
    who = lambda r: r.get('representation') or r['variant']
    levels = list(dict.fromkeys(r['level'] for r in rows))
    def cell(r):
        value = float(r.get('value') or r.get('mean') or 'nan')
        return f"{value:.2f} ± {float(r['sem']):.2f}" if r['sem'] else f'{value:.2f}' if value == value else '-'
    cells = {(who(r), r['level']): cell(r) for r in rows}
    names = dict.fromkeys(who(r) for r in rows)
    lines = [f"| {n} | {' | '.join(cells.get((n, level), '-') for level in levels)} |" for n in names]
    return ['Score on maps:', '', f"| | {' | '.join(levels)} |", f"| --- |{' --- |'*len(levels)}", *lines, '']


def panel_text(
    panel:dict, # A row of the table
)->str: # Markdown
    "One panel: the paper's in words, ours at full width, numbers, a sentence"
    claims = [claim(name) for name in panel['claims'].split()]
    word = verdict(panel, claims)
    lines = [f"## {panel['panel']}", '', f"**In the paper:** {panel['described']}", '']
    for figure in panel['figures'].split():
        if '/table' in figure:
            lines += [*table_text(figure), f"*{caption(figure)}* ([table](../figures/{figure}.csv))", '']
            continue
        lines += [f"[![{panel['panel']}, here](../figures/{figure}.png)](../figures/{figure}.png)", '',
                  f"*{caption(figure)}* ([table](../figures/{figure}.csv))", '']
    if not panel['figures']: lines += ['**Here:** no figure.', '']
    mark = {'agrees': 'agrees', 'weaker': 'weaker', 'contradicts': 'contradicts'}.get(word, 'open')   # mixed: open
    lines += [f'<div class="here {mark}">', '', f"**{word[0].upper() + word[1:]}.** {panel['why']}", '']
    for c in claims:
        said = c['verdict']
        lines += [f"- {c['claim'][0].upper() + c['claim'][1:]}. Paper: {c['paper']}. Here: {c['here']}. "
                  f"*{said[0].upper() + said[1:]}* ([{c['id']}](../CLAIMS.md))"]
    links = ', '.join(f'[{n}](../nbs/{n}.ipynb)' for n in panel['notebook'].split())
    return '\n'.join([*lines, '', '</div>', '', *([f'Notebook: {links}', ''] if links else [])])


def paper_page(
    paper:str,   # A key of `PAPERS`
    panels:list, # From `read_panels`
)->str: # Markdown
    "All panels of one paper, with a table of verdicts at the top"
    title, source = PAPERS[paper]
    own = [p for p in panels if p['paper'] == paper]
    words = [verdict(p, [claim(c) for c in p['claims'].split()]) for p in own]
    slug = lambda p: re.sub(r'[^\w\- ]', '', p['panel'].lower()).replace(' ', '-')
    table = [f"| [{p['panel']}](#{slug(p)}) | {w} |" for p, w in zip(own, words)]
    lacking = [p['panel'] for p in own if not p['figures']]
    return '\n'.join([
        f'# {title}', '', source, '',
        'Each panel of the paper in words, below it ours, the number and a sentence: *agrees*, *weaker*, *contradicts*, '
        '*cannot be asked here* or *not measured yet*, by the rules of cytoself_nb/rules.csv; a *drawing* has nothing to judge. '
        '**Figures are from simulated cells unless another name stands beside them; no network here was trained on the images of the paper.**',
        '', f"Panels that we lack: {', '.join(lacking)}." if lacking else '', '',
        '| panel | here |', '| --- | --- |', *table, '', *map(panel_text, own)])


# --- pages

def with_way_back(
    atlas:Path, # The atlas as one file
    up:str,     # The way from it to the start page
)->str: # The same, with a link to the start page above its title
    "The atlas as a page of the site"
    text = atlas.read_text(encoding='utf-8')
    if text.count('<header>') != 1: raise ValueError(f'{atlas} has no single <header>; expected a page of write_atlas_html')
    return text.replace('<header>', f'<header><a href="{up}index.html">&larr; cytoself_nb</a>')


def with_links(
    text:str,    # Markdown
    page:Path,   # Its path below the root
    extra:Path,  # Folder for the files that it links
)->str: # The same, links to files that are no pages as plain HTML, which a browser opens
    "Links as the site needs them"
    def link(m):
        label, target = m[1], m[2]
        file = (ROOT/page.parent/target.split('#')[0]).resolve()
        if re.match(r'[a-z]+:|#', target) or file.suffix in ('.md', '.ipynb') or not file.is_file(): return m[0]
        to = extra/file.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        if file.name == 'atlas.html': to.write_text(with_way_back(file, '../'*(len(to.relative_to(extra).parts) - 1)), encoding='utf-8')
        else: shutil.copy(file, to)
        return f'<a href="{target}">{label}</a>'
    text = re.sub(r'(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)', link, text)
    text = re.sub(r'\]\((?:\.\./)?(?:nbs/)?index\.ipynb\)', f"]({'../'*(len(page.parts) - 1)}index.md)", text)
    return re.sub(r'```mermaid\n.*?```', 'Drawn in the repository, which knows Mermaid.', text, flags=re.S)


def stage_notebook(
    path:Path,   # Notebook
    to:Path,     # Copy to write
    extra:Path,  # As in `with_links`
):
    "A notebook with the links of the site, without the cells that a reader can skip"
    nb = json.loads(path.read_text(encoding='utf-8'))
    for cell in nb['cells']:
        cell['source'] = source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown': cell['source'] = with_links(source, path.relative_to(ROOT), extra)
        else: cell['source'] = re.sub(r'^#\| *export\n', '', source)
    nb['cells'] = [c for c in nb['cells'] if not re.match(r'#\| *(hide|default_exp)', c['source'])]
    to.write_text(json.dumps(nb), encoding='utf-8')


def toctree(
    caption:str, # Heading in the list of pages
    pages,       # Names without ending
)->str: # Markdown
    "A list of pages for the side bar"
    return '\n'.join(['```{toctree}', ':hidden:', f':caption: {caption}', '', *pages, '```', ''])


def stage(
    folder, # Folder to make; what is there is deleted
)->Path:
    "All sources of the site in one folder, laid out as in the repository"
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    extra = folder/'extra'
    for name in ('nbs', 'docs/howto', 'papers', 'extra'): (folder/name).mkdir(parents=True)
    shutil.copytree(ROOT/'figures', folder/'figures', ignore=shutil.ignore_patterns('*.csv', '*.json', '*.html'))
    notebooks = sorted(p for p in (ROOT/'nbs').glob('[0-9]*_*.ipynb'))
    for p in notebooks: stage_notebook(p, folder/'nbs'/p.name, extra)
    pages = ['CLAIMS.md', 'CONTRIBUTING.md', *(f'docs/{n}.md' for n in REFERENCE), *(f'docs/howto/{n}.md' for n in HOWTO)]
    (folder/'docs/bench').mkdir()
    shutil.copy(ROOT/'docs/bench/growth.png', folder/'docs/bench')
    for name in pages:
        (folder/name).write_text(with_links((ROOT/name).read_text(encoding='utf-8'), Path(name), extra), encoding='utf-8')
    panels = read_panels()
    for name in PAPERS:
        page = Path('papers')/f'{name}.md'
        (folder/page).write_text(with_links(paper_page(name, panels), page, extra), encoding='utf-8')
    part = lambda numbers: [f'nbs/{p.stem}' for p in notebooks if int(p.name[:2]) in numbers]
    trees = [toctree('Papers', [f'papers/{n}' for n in PAPERS]), toctree('How to', [f'docs/howto/{n}' for n in HOWTO]),
             *(toctree(f'Notebooks: {name.lower()}', part(numbers)) for name, numbers in PARTS.items()),
             toctree('Reference', [*(f'docs/{n}' for n in REFERENCE), 'CLAIMS', 'CONTRIBUTING'])]
    start = with_links((ROOT/'README.md').read_text(encoding='utf-8'), Path('README.md'), extra)
    links = ('\nOn this site: [the first paper, panel by panel](papers/cytoself.md), [the second](papers/deeploc.md), '
             '[your own stacks](docs/howto/own_stacks.md), [all public names](docs/api.md), [claims](CLAIMS.md).\n')
    head, commands, rest = start.partition('\nIn a clone')
    (folder/'index.md').write_text('\n'.join([head + links + commands + rest, *trees]), encoding='utf-8')
    for name in ('conf.py', 'site.css', 'scorer.js'): shutil.copy(ROOT/'docs/theme'/name, folder)
    return folder


# --- links

class _Page(HTMLParser):
    "Links, files that a page loads, and names of places in it"
    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.places = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        self.places |= {a[k] for k in ('id', 'name') if a.get(k)}
        if tag == 'a' and a.get('href'): self.links.append(a['href'])
        if a.get('src'): self.loads.append(a['src'])
        if tag == 'link' and a.get('href') and a.get('rel') in ('stylesheet', 'preload', 'icon'): self.loads.append(a['href'])


def dead_links(
    site, # Folder of HTML
)->list: # `page: link` for each that leads nowhere, and for each file that would be loaded from elsewhere
    "Links and pictures of a built site that lead nowhere"
    site = Path(site).resolve()
    pages = {p: _Page(p.read_text(encoding='utf-8')) for p in site.rglob('*.html')}
    dead = []
    for path, page in pages.items():
        for target in {*page.links, *page.loads}:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                if target in page.loads and url.scheme != 'data': dead.append(f'{path.relative_to(site)}: loads {target}')
                continue
            to = (path.parent/unquote(url.path)).resolve() if url.path else path
            to = to/'index.html' if to.is_dir() else to
            lost = not to.exists() or (url.fragment and to in pages and unquote(url.fragment) not in pages[to].places)
            if lost: dead.append(f'{path.relative_to(site)}: {target}')
    return sorted(dead)


def build(
    to=ROOT/'build/site', # Folder of the site
):
    "Stage, build, check; exit 1 with a list of dead links"
    source = stage(ROOT/'build/site_source')
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run([sys.executable, '-m', 'sphinx', '-q', '-b', 'html', '-j', str(min(4, os.cpu_count() or 1)),
                    str(source), str(to)], check=True)
    shutil.rmtree(to/'.doctrees', ignore_errors=True)
    if dead := dead_links(to): sys.exit('\n'.join([*dead, f'{len(dead)} links lead nowhere; mend them and run `make docs` again']))
    pages, weight = len(list(to.rglob('*.html'))), sum(p.stat().st_size for p in to.rglob('*') if p.is_file())
    print(f'{pages} pages, {weight/1e6:.0f} MB: {to}/index.html')


if __name__ == '__main__': build()
