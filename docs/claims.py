"Write CLAIMS.md from the claims tables of figures/: one section for each notebook, one column for each data set"
from pathlib import Path

import pandas as pd

from cytoself_nb.core import DATASETS as DATA

ROOT = Path(__file__).resolve().parent.parent
HEADS = DATA | dict(simulated='simulated cells, or what is named')
VERDICTS = ['yes', 'no', 'not judged']
HEAD = """# Claims

What the two papers say, and what came out here: **yes** (it holds here by a rule that the notebook states),
**no** (it does not), or **not judged** (too few data, no labels, too short a training, or nothing to compare with);
then the number, then the conditions in italics. *Simulated cells* are drawn by the program.
The tables are also beside the figures, as `claims_*.csv`. This page is written by `make claims`.
"""


def read_claims(
    figures=ROOT/'figures', # Folder with one folder for each data set
)->pd.DataFrame: # The columns of the tables, and `notebook` and `column`, the data set of the folder
    "The claims of all notebooks and data sets"
    paths = sorted(figures.glob('*/claims_*.csv'))
    if not paths: raise FileNotFoundError(f"no claims_*.csv in {figures}; expected at least one; run `make figures`")
    read = lambda p: pd.read_csv(p, dtype=str, keep_default_na=False)
    tables = [read(p).assign(notebook=p.stem.removeprefix('claims_'), column=p.parent.name) for p in paths]
    return pd.concat(tables, ignore_index=True)


def cell(
    row, # One claim on one data set
)->str: # Markdown
    "Verdict, number and conditions"
    where = '' if row.data == DATA[row.column] else f'{row.data}: '
    remark = f'<br>*{row.remark}*' if row.remark else ''
    return f'**{row.holds}**: {where}{row.here}{remark}'.replace('|', '/')


def section(
    notebook:str,       # Its name
    rows:pd.DataFrame, # Its claims
)->str: # Markdown
    "One notebook: a claim in each row, a data set in each column"
    columns = [c for c in DATA if c in set(rows.column)]
    rows = rows.assign(cell=[cell(r) for r in rows.itertuples()])
    wide = rows.groupby(['id', 'claim', 'paper', 'column'], sort=False).cell.agg('<br>'.join).unstack(fill_value='')
    line = lambda cells: '| ' + ' | '.join(cells) + ' |'
    lines = [line([*(k.replace('|', '/') for k in key), *(row[c] for c in columns)]) for key, row in wide.iterrows()]
    head = [line(['id', 'claim', 'in the paper', *(HEADS[c] for c in columns)]), line(['---']*(3 + len(columns)))]
    return '\n'.join([f'## [{notebook}](nbs/{notebook}.ipynb)', '', *head, *lines, ''])


def claims_page(
    claims:pd.DataFrame, # As `read_claims` gives them
)->str: # Markdown
    "All of CLAIMS.md"
    return '\n'.join([HEAD, *(section(name, rows) for name, rows in claims.groupby('notebook'))])


def tally(
    claims:pd.DataFrame, # As `read_claims` gives them
)->str: # Markdown
    "How many claims hold, by data set"
    count = claims.value_counts(['column', 'holds']).unstack(fill_value=0)
    lines = [' | '.join([DATA[c], *(str(count.loc[c].get(v, 0)) for v in VERDICTS)]) for c in DATA if c in count.index]
    return '\n'.join([' | '.join(['data', *VERDICTS]), '|'.join(['---']*(1 + len(VERDICTS))), *lines])


if __name__ == '__main__': (ROOT/'CLAIMS.md').write_text(claims_page(read_claims()))
