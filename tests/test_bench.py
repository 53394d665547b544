"""The bench: what it extrapolates, keeps and writes; no time is tested."""
import csv
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path: sys.path.insert(0, str(ROOT))
from bench import growth, page, work  # noqa: E402
from bench.cpu import plan  # noqa: E402


def test_a_power_law_is_continued():
    rows = [dict(work=w, crops=n, seconds=n**p/1000, how='measured') for w, p in (('line', 1), ('square', 2)) for n in growth.SIZES[:3]]
    t = growth.extrapolated(pd.DataFrame(rows)).set_index(['work', 'crops'])
    assert t.loc[('square', 10**6), 'seconds'] == pytest.approx(1e9, rel=1e-3) and t.loc[('line', 10**6), 'exponent'] == 1
    assert set(t[t.how == 'measured'].index.get_level_values('crops')) == set(growth.SIZES[:3]) and len(t) == 2*len(growth.SIZES)


def test_ratios_replace_those_of_the_same_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(page, 'KEPT', tmp_path)
    row = dict(work='training', configuration='paper', precision='float32', here_per_s=3., peer_per_s=2., ratio_to_peer=1.5,
               here_peak_GiB=2.6, peer_peak_GiB=4.)
    for ratio in (1.5, 1.6): page.keep([row | dict(ratio_to_peer=ratio)], 'one', 'now')
    page.keep([row], 'another', 'now')
    with open(tmp_path/'ratios.csv', newline='') as f: kept = list(csv.DictReader(f))
    assert [(r['machine'], r['ratio'], r['target']) for r in kept] == [
        ('one', '1.6', '2.0'), ('one', '0.65', '2.6 GiB'), ('another', '1.5', '2.0'), ('another', '0.65', '2.6 GiB')]


def test_the_page_is_that_of_its_tables(tmp_path, monkeypatch):
    before = (page.DOCS/'bench.md').read_text()
    monkeypatch.setattr(page, 'DOCS', tmp_path)
    page.write_page()
    assert (tmp_path/'bench.md').read_text() == before, 'run python -m bench --page'


def test_what_is_measured():
    asked = SimpleNamespace(work='all', configuration='both')
    assert len(plan(asked)) == 4 + len(work.WORK)
    assert plan(SimpleNamespace(work='cutting', configuration='both')) == [('cutting', '-')]
    with pytest.raises(SystemExit, match='none of model.nothing'): work.one_of('model.nothing')
    step, fields = work.cutting()
    assert fields == 1 and len(step().crops) > 5


@pytest.mark.parametrize('f', (growth.spectra, growth.scores))
def test_growth_measures_something(f): assert 0 <= f(400) < 60 and np.isfinite(f(400))
