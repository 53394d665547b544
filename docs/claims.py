"Write CLAIMS.md from cytoself_nb/rules.csv and the claims tables of figures/: a section for each figure, a column for each data set"
import re
from pathlib import Path

import pandas as pd

from cytoself_nb.core import CLAIM, DATASETS as DATA, claim_rules
from pages import together

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Claims

What the two papers claim, and what came out here, in one of four words: **agrees**, **weaker**, **contradicts**, **cannot be asked here**
(too few data, no labels, or nothing shows that these data could decide it); then the number with its interval (95 %, or what the rule
says: P1 and F1 from the lowest to the highest epoch or network, C2 to C5 from the lowest lower to the lowest upper end of several), the
level of chance or of a rival, n, and the conditions in italics. The rule of each claim stands in `cytoself_nb/rules.csv`; how a word is
chosen, in [15_stats](nbs/15_stats.ipynb). Rules were written before the numbers that stand here, but for these: P1c (after a third of
its training), P1d (P1a, asked of the long training when that was known), U2 (its proteins were chosen after an earlier screen; of all
mixed proteins, see U2m), and what later only takes verdicts away (one localization a protein in U1a, three networks in F1a and F1b, a
rival above an untrained network in S1 to S5). *Simulated cells* are drawn by the program; the column *simulated cells* also holds
simulated yeast cells (second paper) and real pictures shown to a model of simulated cells (X2, X3). A dash: not measured
since the rule was written, or nothing to measure in these data. This page is written by `make claims`.
"""
WORD = {'cannot be asked here': 'cannot be asked'}


def read_claims(
    figures=ROOT/'figures', # Folder with one folder for each data set
)->pd.DataFrame: # The columns of the tables, and `notebook` and `column`, the data set of the folder
    "The judged claims of all notebooks and data sets"
    paths = sorted(figures.glob('*/claims_*.csv'))
    if not paths: raise FileNotFoundError(f"no claims_*.csv in {figures}; expected at least one; run `make figures`")
    tables = [pd.read_csv(p, keep_default_na=False, na_values=dict.fromkeys(('value', 'low', 'high', 'level'), ['']))
              .assign(notebook=p.stem.removeprefix('claims_'), column=p.parent.name) for p in paths]
    old = [str(p) for p, t in zip(paths, tables) if list(t)[:len(CLAIM)] != CLAIM]
    if old: raise ValueError(f"{', '.join(old)}: expected the columns {CLAIM}; draw the figures of that notebook again")
    return pd.concat(tables, ignore_index=True)


def cell(
    row, # One claim on one data set
)->str: # Markdown
    "Verdict, number and conditions"
    known = pd.notna([row.value, row.low, row.high, row.level]).all()
    number = f'<br>{row.value:.3g} ({row.low:.3g} to {row.high:.3g}); level {row.level:.3g}; n = {row.n}' if known else ''
    why = f'<br>*{row.why}*' if row.why else ''
    return f'**{row.verdict}**: {row.here}{number}{why}'.replace('|', '/')


def section(
    figure:str,          # Of the paper
    rules:pd.DataFrame,  # Its claims
    claims:pd.DataFrame, # From `read_claims`
)->str: # Markdown
    "One figure: a claim in each row, in each column a data set that was asked one of them"
    columns = [c for c in DATA if c in set(claims.column[claims.id.isin(rules.index)])]
    line = lambda cells: '| ' + ' | '.join(cells) + ' |'
    found = {(r.id, r.column): cell(r) for r in claims.itertuples()}
    lines = [line([id, r.claim, r.paper, *(found.get((id, c), '-') for c in columns)]) for id, r in rules.iterrows()]
    from_ = dict.fromkeys(claims.notebook[claims.id.isin(rules.index)])
    links = ', '.join(f'[{n}](nbs/{n}.ipynb)' for n in from_)
    head = [line(['id', 'claim', 'in the paper', *(DATA[c] for c in columns)]), line(['---']*(3 + len(columns)))]
    return '\n'.join([f'## {figure}', '', *([f'From {links}.', ''] if links else []), *head, *lines, ''])


def claims_page(
    claims:pd.DataFrame, # As `read_claims` gives them
)->str: # Markdown
    "All of CLAIMS.md"
    rules = claim_rules()
    parts = [section(f, rules[rules.figure == f], claims) for f in rules.figure.unique()]
    return '\n'.join([HEAD, '## Eleven findings', '', findings(claims), '', *parts])


def in_short(
    row,          # One claim on one data set
    interval:str, # What its interval is over
)->str:
    "Its number, with what it is to be seen beside"
    first = row.here.split('; ')[0]
    beside = re.findall(r'(?:raw pixels|mean picture) [\d.%]+', row.here)
    if 'chance' in row.here: beside.insert(0, f'level {row.level:.0%}')
    known = 'proteins' in first or 'protein' not in interval
    n = '' if known else f'{row.n} proteins'
    return '; '.join(filter(None, [first, *beside, n]))


def findings(
    claims:pd.DataFrame, # As `read_claims` gives them
    column:str='simulated', # The data set
)->str: # Markdown
    "The eleven findings: paper, here, verdict"
    rules, lines = claim_rules(), ['paper | here, simulated cells | verdict', '---|---|---']
    rules = rules[rules.finding != ''].sort_values('finding', key=lambda v: v.astype(int), kind='stable')
    mine = claims[claims.column == column].set_index('id')
    for _, group in rules.groupby('finding', sort=False):
        first, asked = group.iloc[0], group[group.paper != 'not asked']   # the paper's tests
        known, folds = [id for id in asked.index if id in mine.index], len(asked) > 2
        paper = ', '.join(asked.paper) if folds else first.paper
        number = re.search(r'\d', re.sub(r'(Fig\.|Table) \d', '', paper))   # else the paper gives a direction only
        claim = f'{first.figure}: {first.claim}'.split(': GO CC')[0] + (f' ({paper})' if number else '')
        unit = paper.split(',')[0].lstrip('0123456789.')
        here = [f'{mine.value[id]:.1f}{unit}' if folds else in_short(mine.loc[id], rules.interval[id]) for id in known]
        words = [WORD.get(mine.verdict[id], mine.verdict[id]) for id in known]
        words = together(sorted(words, key=words.count, reverse=True))
        more = ' at equal crops' if folds and known and 'equal crops' in mine.here[known[0]] else ''
        if 'among the first one' in paper: here = [v.replace(' among the first one, two, three', '') for v in here]
        row = claim, ', '.join(here) + more or 'not measured yet', words or '-'
        lines.append(' | '.join(v.replace('|', '/') for v in row))
    return '\n'.join(lines)


if __name__ == '__main__': (ROOT/'CLAIMS.md').write_text(claims_page(read_claims()))
